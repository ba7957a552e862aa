# Emergency users are never touched: those under the path /break-glass/, and those with the tag
# `break-glass`, whatever it says. Where the tags could not be read, nobody knows.
#
#     ringfence check plan.json --format json | conftest test --parser json -p examples/rego -

package main

import rego.v1

deny contains message if {
	some principal in touched
	startswith(principal.path, "/break-glass/")
	message := sprintf("user %s is an emergency user: its path is %s", [principal.user, principal.path])
}

deny contains message if {
	some principal in touched
	some "break-glass", _ in principal.tags
	message := sprintf("user %s is an emergency user: it has the tag break-glass", [principal.user])
}

deny contains message if {
	some principal in touched
	principal.tags == null
	message := sprintf("user %s may be an emergency user: its tags could not be read", [principal.user])
}

touched contains principal if {
	some principal in input.principals
	some step in input.steps
	step.user == principal.user
}
