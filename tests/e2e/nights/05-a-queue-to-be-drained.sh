# The database behind the handler gets its new disk at two o'clock. No job may run then, and none be lost.
. "$PRELUDE"
printf '#!/bin/sh\nuntil [ -e go ]; do sleep 0.05; done\n' > import.sh
chmod +x import.sh
for n in 1 2 3; do jobq enqueue imports "{\"n\": $n}"; done
jobq work imports --quiet -- ./import.sh &
pool=$!
running() { [ "$(jobq len imports --state running)" = "$1" ]; }
within 30 running 1
(sleep 1; : > go) & # the job that runs ends a moment later

# night
jobq pause imports --reason 'new disk at 02:00' --until 1h
jobq wait imports $(jobq ls imports --state running -q) --wait-timeout 5m
jobq ls-queues --columns queue,ready,running,paused
# morning

expect "running jobs" "$(jobq len imports --state running)" 0
expect "waiting jobs" "$(jobq len imports)" 2
jobq resume imports
empty() { [ "$(jobq len imports --state succeeded)" = 3 ]; }
within 30 empty
kill $pool
wait $pool || expect "exit code of the pool" $? 143
