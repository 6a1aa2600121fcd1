# The disk fills up while a producer enqueues a file. Nothing that was accepted may be lost, and nothing come twice.
. "$PRELUDE"
case $JQ_BACKEND in sqlite:*) ;; *) exit 77 ;; esac # other stores' disks are not this shell's to fill
python3 -c '
for n in range(20_000):
    print("{\"payload\": {\"n\": %d, \"text\": \"%s\"}}" % (n, "x" * 300))
' > orders.ndjson
jobq enqueue orders --from orders.ndjson --skip-lines 19999
code=0
(ulimit -f 6000 && jobq enqueue orders --from orders.ndjson) 2> refused.txt || code=$?
expect "exit code on a full disk" $code 1
cat refused.txt

# night
jobq len orders
jobq dlq purge orders --all --yes
jobq enqueue orders --from orders.ndjson --skip-lines "$(sed -n 's/.*--skip-lines \([0-9]*\).*/\1/p' refused.txt)"
# morning

expect "waiting jobs" "$(jobq len orders)" 20001
expect "different orders" "$(jobq ls orders --limit 0 --jsonl | sed 's/.*"n"://; s/[,}].*//' | sort -u | wc -l | tr -d ' ')" 20000
