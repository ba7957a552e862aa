#!/usr/bin/env bash
# plan.sh OUT NAME...: the comment for each request, OUT/NAME.md
#
# Where plans/NAME.json is committed, that plan is shown, with its approvals. Else requests/NAME.txt is
# planned, and OUT/NAME.json is the plan to commit. A request has one `NAME = VALUE` a line:
#
#   user, access-key, posture, since, incident     as the flags of `ringfence plan`
#   release                                        the user to release; with reactivate-key
set -euo pipefail

die() {
    printf 'plan: %s\n' "$*" >&2
    exit 1
}
[ $# -ge 1 ] || die 'usage: plan.sh OUT NAME...'
: "${RINGFENCE_STORE:?names the store: s3://BUCKET/PREFIX, or a folder}"

# The text of a request is somebody else's: it is matched, never evaluated.
read_request() {
    local line key value number=0
    verb=plan flags=()
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then continue; fi
        [[ $line =~ ^([a-z-]+)\ *=\ *([A-Za-z0-9+=,.@_:/-]+)$ ]] ||
            die "\`$1\` has a broken line $number: each is NAME = VALUE"
        key=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
        case $key in
            user | access-key | posture | since | incident | reactivate-key) flags+=("--$key=$value") ;;
            release) verb=rollback flags+=("--user=$value") ;;
            *) die "\`$1\` has an unknown name in line $number: \`$key\`" ;;
        esac
    done <"$1"
}

one() {
    local request=requests/$1.txt plan=plans/$1.json status=0 verb flags
    if [ -f "$plan" ]; then
        ringfence show "$plan" --format markdown --state "$RINGFENCE_STORE" >"$out/$1.md" || status=$?
        return "$status"
    fi
    [ -f "$request" ] || die "there is neither \`$plan\` nor \`$request\`"
    read_request "$request"
    ringfence "$verb" "${flags[@]}" --out "$out/$1.json" --format markdown \
        --state "$RINGFENCE_STORE" >"$out/$1.md" || status=$?
    [ "$status" -eq 0 ] || return "$status"
    cat >>"$out/$1.md" <<TEXT

This plan is not committed yet. To have it approved and applied:

\`\`\`
gh run download ${GITHUB_RUN_ID:-RUN} --name plans --dir plans
ringfence approve plans/$1.json --identity KEY
git add plans/$1.json* && git commit -m 'plan and approval' && git push
\`\`\`
TEXT
}

out=$1 worst=0
shift
mkdir -p -- "$out"
# Not in a condition, where an error within would go unnoticed.
for name; do
    set +e
    (
        set -e
        one "$name"
    )
    status=$?
    set -e
    [ "$status" -eq 0 ] || worst=$status
done
exit "$worst"
