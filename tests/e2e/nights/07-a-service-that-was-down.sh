# The payment service was down; it is back, and weak. 200 jobs wait for their next try, up to an hour away.
. "$PRELUDE"
cat > payments.py <<'END'
import os


def pay(payload):
    if not os.path.exists("service-is-up"):
        raise ConnectionError("payment service: connection refused")
END
python3 -c '
for n in range(200):
    print("{\"payload\": {\"n\": %d}, \"backoff\": {\"base\": 3000}}" % n)
' | jobq enqueue payments --from -
jobq work payments --quiet --call payments:pay &
pool=$!
failed() { [ "$(jobq len payments --state scheduled)" = 200 ]; }
within 60 failed
: > service-is-up

# night
jobq ls payments --state scheduled --group-by error
jobq queue set payments --max-running 1
jobq promote payments --error 'ConnectionError*' --yes
# morning

paid() { [ "$(jobq len payments --state succeeded)" = 200 ]; }
within 60 paid
jobq queue set payments --max-running 0
kill $pool
wait $pool || expect "exit code of the pool" $? 143
