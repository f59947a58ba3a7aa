#!/usr/bin/env bash
# All tests, ten times in a row, every second time beside two busy loops: npm run test:repeat, or with -- 4 four times.
# Stops at the first run that fails, and says what failed.
set -euo pipefail
cd "$(dirname "$0")/.."
export NO_COLOR=1
times=${1:-10}
if ! [[ $times =~ ^[1-9][0-9]*$ ]]; then
  echo "How many times? npm run test:repeat -- 4" >&2
  exit 2
fi

log=$(mktemp)
busy=()
rest() {
  if [ ${#busy[@]} -gt 0 ]; then kill "${busy[@]}" 2>/dev/null || true; fi
  busy=()
}
trap 'rest; rm -f "$log"' EXIT

for ((run = 1; run <= times; run++)); do
  start=$SECONDS beside=
  if ((run % 2 == 0)); then
    for _ in 1 2; do
      node -e "for (;;);" &
      busy+=($!)
    done
    beside=" beside two busy loops"
  fi
  if ! npm test >"$log" 2>&1; then
    printf 'Run %d of %d%s failed after %d s:\n' "$run" "$times" "$beside" $((SECONDS - start))
    # What vitest tells of each failure, and its totals; all of it where it told of none.
    sed -n '/^ FAIL \|Failed Tests\|Failed Suites\|Unhandled Errors/,$p' "$log" | grep . || cat "$log"
    exit 1
  fi
  rest
  printf 'Run %d of %d%s: %d s,%s\n' "$run" "$times" "$beside" $((SECONDS - start)) "$(sed -n 's/^ *Tests  *//p' "$log" | tail -1 | sed 's/^/ /')"
done
