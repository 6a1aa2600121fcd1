# Workers die again and again: one picture takes down every process that looks at it.
. "$PRELUDE"
cat > pictures.py <<'END'
import os
import signal


def shrink(payload):
    if payload["file"] == "bomb.png":
        os.kill(os.getpid(), signal.SIGKILL)
END
for file in a.png b.png bomb.png c.png d.png; do
    jobq enqueue pictures "{\"file\": \"$file\"}"
done
jobq work pictures --until-empty --quiet --call pictures:shrink || expect "exit code of work" $? 7

# night
jobq dlq ls pictures --columns id,reason,losses,payload
jobq dlq show pictures --payload file=bomb.png
jobq rm pictures --state dead --payload file=bomb.png --yes
# morning

expect "dead jobs" "$(jobq len pictures --state dead)" 0
expect "succeeded jobs" "$(jobq len pictures --state succeeded)" 4
