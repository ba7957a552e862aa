# What cannot be restored is deleted only for an incident that is named (--incident ID).
#
#     ringfence check plan.json --format json | conftest test --parser json -p examples/rego -

package main

import rego.v1

deny contains message if {
	some step in input.steps
	"delete" in step.effects
	input.plan.incident == null
	message := sprintf(
		"user %s: %s cannot be restored, and the plan names no incident (--incident ID)",
		[step.user, step.resource],
	)
}
