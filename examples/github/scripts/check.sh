#!/usr/bin/env bash
# check.sh NAME...: whether each committed plan may be applied: the store's rules, yours, the approvals
#
# Rules of your own in Rego lie in rego/, and take conftest.
set -euo pipefail

: "${RINGFENCE_STORE:?names the store: s3://BUCKET/PREFIX, or a folder}"

for name; do
    plan=plans/$name.json
    if [ ! -f "$plan" ]; then
        printf 'check: `%s` is not committed yet\n' "$plan" >&2
        exit 1
    fi
    ringfence check "$plan" --approved --state "$RINGFENCE_STORE"
    if [ -d rego ]; then
        ringfence check "$plan" --approved --format json --state "$RINGFENCE_STORE" |
            conftest test --parser json --policy rego -
    fi
done
