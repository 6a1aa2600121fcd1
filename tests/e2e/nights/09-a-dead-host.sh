# A host has burnt. Its jobs would be back some ten seconds after its last heartbeat; the operator knows it is gone now.
. "$PRELUDE"
printf '#!/bin/sh\n[ -e burnt ] || sleep 600\n' > render.sh
chmod +x render.sh
jobq enqueue renders '{"frame": 1}'
jobq work renders --quiet -- ./render.sh &
pool=$!
running() { [ "$(jobq len renders --state running)" = 1 ]; }
within 30 running
: > burnt
kill -9 $pool
wait $pool || expect "exit code of the pool" $? 137

# night
jobq workers
jobq requeue --worker "$(jobq workers -q)" --yes
jobq work renders --until-empty --quiet -- ./render.sh
# morning

expect "succeeded jobs" "$(jobq len renders --state succeeded)" 1
expect "losses" "$(jobq ls renders --columns losses --plain --no-headers)" 1
