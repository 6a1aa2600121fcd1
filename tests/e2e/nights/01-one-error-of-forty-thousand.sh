# A deploy renamed a template. 40,000 jobs are dead: most for that, some for reasons of their own.
. "$PRELUDE"
cat > mails.py <<'END'
from jq_cli import Permanent


def send(payload):
    if payload["kind"] == "bounce":
        raise Permanent("550 no such mailbox: user%d@example.org" % payload["n"])
    raise KeyError("template welcome-2")


def send_repaired(payload):
    if payload["kind"] == "bounce":
        raise Permanent("550 no such mailbox")
END
python3 -c '
for n in range(40_000):
    print("{\"payload\": {\"n\": %d, \"kind\": \"%s\"}, \"max_retries\": 0}" % (n, "bounce" if n % 50 == 0 else "welcome"))
' | jobq enqueue mails --from -
jobq work mails --until-empty --quiet --processes 2 --call mails:send || expect "exit code of work" $? 7
expect "dead jobs" "$(jobq len mails --state dead)" 40000

# night
jobq dlq ls mails --group-by error
jobq dlq requeue mails --error 'KeyError*' --dry-run
jobq dlq requeue mails --error 'KeyError*' --rate 20000/s --yes
jobq work mails --until-empty --quiet --processes 2 --call mails:send_repaired
# morning

expect "groups" "$(jobq dlq ls mails --group-by error --jsonl | wc -l | tr -d ' ')" 1
expect "dead jobs" "$(jobq len mails --state dead)" 800
expect "waiting jobs" "$(jobq len mails)" 0
