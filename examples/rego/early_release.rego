# Nothing that a containment turned off acts again within 36 h of the fence, unless two people approve it:
# sessions that were stolen before the fence can live as long.
#
#     ringfence check plan.json --format json | conftest test --parser json -p examples/rego -

package main

import rego.v1

deny contains message if {
	some step in input.steps
	"reactivate" in step.effects
	not fence_is_old(step.user)
	approvals := count(input.verdict.approvals)
	approvals < 2
	message := sprintf(
		"user %s: %s would act again, and no fence on record is older than 36 h: that takes 2 approvals, it has %d",
		[step.user, step.resource, approvals],
	)
}

fence_is_old(user) if {
	some principal in input.principals
	principal.user == user
	now := time.parse_rfc3339_ns(input.now)
	fenced := time.parse_rfc3339_ns(principal.fence.fence_time)
	now - fenced > 36 * 60 * 60 * 1000000000
}
