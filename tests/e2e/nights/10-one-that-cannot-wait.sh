# Five thousand invoices wait. The one of the largest customer must go out now.
. "$PRELUDE"
python3 -c '
for n in range(5_000):
    print("{\"payload\": {\"invoice\": %d}}" % n)
' | jobq enqueue invoices --from -

# night
jobq ls invoices --payload invoice=4711 -q | jobq edit invoices - --priority 900
jobq ls invoices --limit 1 --columns priority,payload
# morning

expect "the next invoice" "$(jobq ls invoices --state ready --limit 1 --columns payload --plain --no-headers 2> /dev/null)" '{"invoice":4711}'
