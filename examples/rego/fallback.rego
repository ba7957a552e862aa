# A warning where a deny goes elsewhere than into an inline policy, or nowhere: the attacker may have
# filled the quota.
#
#     ringfence check plan.json --format json | conftest test --parser json -p examples/rego -

package main

import rego.v1

warn contains message if {
	some step in input.steps
	step.kind == "managed_policy"
	step.action == "create"
	message := sprintf("user %s: no room inline, the deny goes to %s", [step.user, step.resource])
}

warn contains message if {
	some principal in input.principals
	some blocked in principal.blocked
	message := sprintf("user %s: %s stays open: %s", [principal.user, blocked.what, blocked.why])
}
