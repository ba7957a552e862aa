#!/usr/bin/env bash
# names.sh BEFORE AFTER: what a change is about, one name a line, by its files
#
#   requests/NAME.txt   plans/NAME.json   plans/NAME.json.PERSON.sig
#
# A plan that is there already may not change: whoever approved it has approved other bytes.
set -euo pipefail

die() {
    printf 'names: %s\n' "$*" >&2
    exit 1
}
[ $# -eq 2 ] || die 'usage: names.sh BEFORE AFTER'
[[ $1 =~ ^[A-Za-z0-9^]+$ && $2 =~ ^[A-Za-z0-9^]+$ ]] || die 'BEFORE and AFTER are commits'

changes=$(git diff --no-renames --name-status "$1" "$2" -- requests plans)
while IFS=$'\t' read -r how path; do
    if [ -z "$path" ] || [ "$how" = D ]; then continue; fi
    case $path in
        requests/*.txt) name=${path#requests/} name=${name%.txt} ;;
        plans/*.json)
            [ "$how" = A ] || die "\`$path\` is there already: give the new plan another name"
            name=${path#plans/} name=${name%.json}
            ;;
        plans/*.json.sig | plans/*.json.*.sig) name=${path#plans/} name=${name%%.json*} ;;
        *) die "\`$path\` is no request, no plan and no signature" ;;
    esac
    [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9_-]*$ ]] || die "\`$name\` is no name: letters, digits, - and _"
    printf '%s\n' "$name"
done <<<"$changes" | sort -u
