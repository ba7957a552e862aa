#!/usr/bin/env bash
# status.sh: every containment against reality; fails where one is weakened (2) or nothing could be read (1)
set -euo pipefail

: "${RINGFENCE_STORE:?names the store: s3://BUCKET/PREFIX, or a folder}"

status=0
report=$(ringfence status --format markdown --state "$RINGFENCE_STORE") || status=$?
printf '%s\n' "$report" | tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}"
exit "$status"
