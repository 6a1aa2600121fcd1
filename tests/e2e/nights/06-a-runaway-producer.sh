# A script in a loop has enqueued ten thousand coupons. Among them wait real ones.
. "$PRELUDE"
python3 -c '
for n in range(10_000):
    print("{\"payload\": {\"n\": %d}, \"headers\": {\"batch\": \"oops\"}}" % n)
    if n % 1000 == 0:
        print("{\"payload\": {\"n\": %d}, \"headers\": {\"batch\": \"shop\"}}" % n)
' | jobq enqueue coupons --from -

# night
jobq ls coupons --group-by header.batch
jobq cancel coupons --header batch=oops --dry-run
jobq cancel coupons --header batch=oops --yes
# morning

expect "waiting jobs" "$(jobq len coupons)" 10
expect "cancelled in vain" "$(jobq ls coupons --state ready --header batch=oops -q | wc -l | tr -d ' ')" 0
