# A shop sent orders with a currency that does not exist. The customers wait.
. "$PRELUDE"
printf '#!/bin/sh\ngrep -q EUR || { echo "unknown currency" >&2; exit 65; }\n' > charge.sh
chmod +x charge.sh
jobq enqueue charges '{"order": 1, "money": {"amount": 12, "currency": "EUR"}}'
jobq enqueue charges '{"order": 2, "money": {"amount": 30, "currency": "EURO"}}'
jobq enqueue charges '{"order": 3, "money": {"amount": 7, "currency": "EURO"}}'
jobq work charges --until-empty --quiet -- ./charge.sh || expect "exit code of work" $? 7

# night
jobq dlq ls charges --group-by payload.money.currency
jobq dlq edit charges --payload money.currency=EURO --set money.currency=EUR --requeue --yes
jobq work charges --until-empty --quiet -- ./charge.sh
# morning

expect "dead jobs" "$(jobq len charges --state dead)" 0
expect "succeeded jobs" "$(jobq len charges --state succeeded)" 3
jobq show charges "$(jobq ls charges --payload order=2 -q)" | grep -q EURO # the former payload is kept
