#!/usr/bin/env bash
# apply.sh NAME...: applies the committed plans, exactly as they were approved
#
# One that cannot be applied keeps no other from it. Exit status: that of the last one that failed, as
# ringfence has it: 3 reality has moved or it was applied before, 4 not approved, 5 locked, 6 partial.
set -euo pipefail

: "${RINGFENCE_STORE:?names the store: s3://BUCKET/PREFIX, or a folder}"
here=$(dirname -- "${BASH_SOURCE[0]}")

worst=0
for name; do
    plan=plans/$name.json status=0
    if [ ! -f "$plan" ]; then
        printf 'apply: `%s` is not there: nothing to apply\n' "$plan"
        continue
    fi
    "$here/check.sh" "$name" || status=$?
    if [ "$status" -eq 0 ]; then
        ringfence apply "$plan" --auto-approve --no-input --lock-timeout 10m \
            --state "$RINGFENCE_STORE" || status=$?
    fi
    [ "$status" -eq 0 ] || worst=$status
done
exit "$worst"
