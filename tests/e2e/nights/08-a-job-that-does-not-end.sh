# An export hangs since hours and holds the only worker. It ignores SIGTERM.
. "$PRELUDE"
printf '#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 0.1; done\n' > export.sh
chmod +x export.sh
jobq enqueue exports '{"table": "everything"}'
jobq work exports --quiet --grace 500ms -- ./export.sh &
pool=$!
running() { [ "$(jobq len exports --state running)" = 1 ]; }
within 30 running

# night
jobq ls exports --state running --columns id,owner,started_at
jobq cancel exports --state running --all --yes
# morning

expect "running jobs" "$(jobq len exports --state running)" 0
expect "cancelled jobs" "$(jobq len exports --state cancelled)" 1
kill $pool
wait $pool || expect "exit code of the pool" $? 143
