"""The objects backend: a folder (`file://`) or a bucket (`s3://`, `gs://`, `az://`) is the whole store; no server runs.

The idea
    A namespace is one chain of numbered, immutable commits: `log/0000000000000001`, `...2`, and so on. A process that has
    read commits 1..n knows the whole state. To change it, it works out what to set and *creates* `log/<n + 1>` if there is
    none. The store lets exactly one process create it; everybody else finds it taken, reads it, works out its change again
    and tries n + 2. That create-if-absent is the only thing that decides anything, so the only thing asked of a store is
    that it is honoured.

The linearisation point
    Every call that writes (insert, claim, extend, replace, turn, control, swap, forgetting keys) is one commit for its
    whole batch: rows, keys, totals, controls and the job's fence move together, at the moment the object `log/<n + 1>`
    comes to be. A call that finds nothing to write answers from the state at the moment the store said there is no `log/<n
    + 1>` yet. So all calls of all processes stand in one order, the order of the commits: claims are strictly in order,
    `max_running` and pauses are exact, keys are taken once, whatever runs at the same time.

What a crash leaves
    before the create of the commit    nothing, or data objects (payloads) that no row names: swept once they are old
    during it                          the commit or nothing, never half an object; in a folder perhaps a hidden file, to be swept
    after it                           the whole call
    an answer that was lost            the commit carries a nonce: whoever finds its number taken reads it and knows its own
    while writing a snapshot           the snapshot or nothing; the log says the same
    while sweeping                     less was swept; the next sweep goes on
    Nothing is ever written that has to be undone or repaired, so there is no repair.

Snapshots and sweeping
    Every hundred commits or so (fewer when many jobs are stored) the process that made the commit writes `snap/<n>`: a
    commit that sets everything. Who opens the store reads the newest snapshot and the commits behind it. It then sweeps:
    commits that a snapshot older than the grace (15 minutes) holds and in which no bytes of a living job lie, older
    snapshots, and data objects older than the grace that no row names. A number that was swept could be created again by a
    process that stood still since long before. It would believe that it had changed the store. Therefore a process notes,
    on a clock that runs while the machine sleeps, until when it was sure to see every commit: that is when the store last
    told it that there is no next one. What comes after that moment is swept one grace later at the earliest. When half the
    grace has passed it begins again at the newest snapshot before it reads or writes; and when so much time passed while
    its own create was under way, it looks whether a snapshot has gone past that number. Ages of objects are compared among
    times of the store's clock alone.

Where bytes lie
    A row is a line of about 250 bytes that names where the job's body, payload and output lie: in the commit that brought
    them (up to 64 KiB a commit), or in data objects `data/<random>` (8 MiB each) written just before it. Snapshots hold
    rows only. So counting reads no body, a claim reads what it hands out and nothing else, and a settle does not write the
    payload again.

Who goes first
    Nothing above asks who is fast, so a slow writer could lose every commit. In a bucket who lost twice takes a place in a line
    (`want/<n>`), and every eighth commit is left to who is first in it, for a while. Commits say which places have ended, so a
    place whose owner died delays each process once, and an object `want/<n>` that is missing, left over or seen late costs a
    delay and nothing else. In a folder the turnstile does that.

Time
    The clock of the host that makes the commit. A scheduled job that is due has its place among the ready ones in every
    process by itself; nothing is written for that.

Files: `address` reads URLs; `store` says what is asked of a store, `file_store` and `cloud_store` do it (`providers` opens
buckets, `turnstile` queues writers of a folder, `check` tests the promise); `entry` is the form of commits, `row` of jobs
in them; `tables` with `queue` is the state, `step` one try to change it; `log` is the chain, `blobs` the bytes, `sweep` the
broom; `places` the line of
writers; `inserts`, `claims`, `changes` and `reads` are the calls; `backend` joins them."""
