#!/usr/bin/env bash
# comment.sh FILE...: puts each file into the pull request as a comment, or updates the one that is there
#
# A comment is found by the marker in its first line, among those of the workflow's own account: anybody
# can write a marker. Needs GH_TOKEN, GITHUB_REPOSITORY and PULL_REQUEST.
set -euo pipefail

die() {
    printf 'comment: %s\n' "$*" >&2
    exit 1
}
: "${GITHUB_REPOSITORY:?}" "${PULL_REQUEST:?}"
[[ $PULL_REQUEST =~ ^[0-9]+$ ]] || die "\`$PULL_REQUEST\` is no number of a pull request"
comments=repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments
filter='.[] | select(.user.login == "github-actions[bot]")
    | [.id, (.body // "" | split("\n")[0] | rtrimstr("\r"))] | @tsv'
limit=65000 # GitHub takes 65,536 characters

put() {
    local file=$1 marker='' first number id='' known
    IFS= read -r marker <"$file" || true
    [[ $marker =~ ^'<!-- ringfence:plan '.*' -->'$ ]] || die "\`$file\` has no marker in its first line"
    if [ "$(wc -c <"$file")" -gt "$limit" ]; then
        { sed '/^<details>/,$d' "$file" && printf '\nThe rest is too long for a comment: `ringfence show` tells it.\n'; } >"$file.short"
        file=$file.short
    fi
    known=$(gh api --paginate "$comments?per_page=100" --jq "$filter")
    while IFS=$'\t' read -r number first; do
        if [ "$first" = "$marker" ]; then
            id=$number
            break
        fi
    done <<<"$known"
    if [ -n "$id" ]; then
        gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field "body=@$file"
    else
        gh api --silent --method POST "$comments" --field "body=@$file"
    fi
}

for file; do
    # A plan that failed has none.
    if [ -s "$file" ]; then put "$file"; fi
done
