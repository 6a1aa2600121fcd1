"""Planted bugs in the SQLite, Postgres, Redis and objects backends: those that only such a store can have, in its SQL, its Lua or its
log of commits."""

from tests.conformance.planting import Mutant


def _sqlite(name: str, tests: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, edits, backend="sqlite", tests=tests)


def _redis(name: str, tests: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, edits, backend="redis", tests=tests)


def _objects(name: str, tests: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, edits, backend="objects", tests=tests)


def _postgres(name: str, tests: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(
        name, tuple((f"sql/1-{file}.sql", old, new) for file, old, new in edits), backend="postgres", tests=tests
    )


def _dynamodb(name: str, tests: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, edits, backend="dynamodb", tests=tests)


SQLITE = [
    _sqlite("a settle does not compare the token", "stale_worker", (
        "changes.py", "AND token = ? AND coalesce", "AND token > substr(?, 1, 0) AND coalesce")),
    _sqlite("a running job keeps the wake-up it had when it waited", "does_not_expire_while_it_runs", (
        "claims.py", "wake_at = NULL, generation", "generation")),
    _sqlite("a delay ends a millisecond late", "moment_its_delay_ends", (
        "claims.py", "AND rank <= ? ORDER", "AND rank < ? ORDER"), (
        "claims.py", '(more or (step.now, "~"))', '(more or (step.now, ""))')),
    _sqlite("a taken-in job loses its priority", "due_job_of_high_priority", (
        "claims.py", "- priority << {MOMENT_BITS})", "<< {MOMENT_BITS})")),
    _sqlite("a key lives a millisecond too long", "lives_for_its_ttl", ("keys.py", "until > ?)", "until >= ?)")),
    _sqlite("the end of a job frees a key that another job has taken", "has_another_owner", (
        "keys.py", '"DELETE FROM keys WHERE {_LIVE} AND job = ?"', '"DELETE FROM keys WHERE {_LIVE} AND job >= \'\' || substr(?, 1, 0)"')),
    _sqlite("trimmed jobs are still counted", "last_so_many", (
        "changes.py", "step.moved(queue, phase, 0, step.cursor.rowcount)", "step.flush()")),
    _sqlite("a worker that has not heard of it undoes a requested stop", "request_to_cancel", (
        "rows.py", "stop = (stop | ?) & ?", "stop = ? & ?")),
    _sqlite("a heartbeat leaves the version as it is", "defeats_it", (
        "claims.py", "version = token || '~' || ?,", "version = coalesce(version, substr(?, 1, 0) || token),")),
    _sqlite("a queue's jobs are handed out by id alone", "leaves_first", (
        "claims.py", "phase = {READY} ORDER BY rank, id LIMIT ?", "phase = {READY} ORDER BY id, rank LIMIT ?")),
    _sqlite("writers do not wait for each other before they read", "concurrent", (
        "database.py", 'self.cursor.execute("BEGIN IMMEDIATE")', 'self.cursor.execute("BEGIN")'), (
        "lock.py", "return flock(file, LOCK_EX | LOCK_NB)", "return None")),
]  # fmt: skip

REDIS = [
    _redis("a settle does not compare the token", "stale_worker", (
        "lua/settle.lua", "fenced and sub(lease, 1, #run.expect) == run.expect", "fenced")),
    _redis("a delay ends a millisecond late", "moment_its_delay_ends", (
        "lua/take_in.lua", "'-inf', now, 'BYSCORE'", "'-inf', '(' .. now, 'BYSCORE'")),
    _redis("a taken-in job loses its priority", "due_job_of_high_priority", (
        "lua/take_in.lua", "-priority * 1e12 + due[2 * i]", "due[2 * i]")),
    _redis("a dedup key is checked and forgotten", "same_dedup_key", (
        "lua/keyed.lua", "    return 'd', key.job\n", "")),
    _redis("a key that ended still counts", "lives_for_its_ttl", ("lua/unique.lua", "tonumber(ends) <= now", "tonumber(ends) < now")),
    _redis("the end of a job frees a key that another job has taken", "has_another_owner", (
        "lua/settle.lua", "if key and key.job == id then", "if key then")),
    _redis("a worker that has not heard of it undoes a requested stop", "request_to_cancel", (
        "lua/settle.lua", "(not shape.final and sub(old, -13) == STOP)", "false")),
    _redis("a heartbeat leaves the version as it is", "defeats_it", (
        "lua/extend.lua", "begin .. token .. '~' .. ends .. sub(lease, rest)", "lease")),
    _redis("a claim lets one more run than max_running", "max_running_limits", ("lua/claim.lua", "most - call(", "most + 1 - call(")),
    _redis("a cursor repeats the job it stands at", "join_to_the_whole", (
        "lua/page.lua", "or (included and member == id)", "or (included and member == nil)")),
    _redis("the output of a removed job stays", "output_goes_with_its_job", (
        "lua/settle.lua", "{'jobs', 'payloads', 'outputs'}", "{'jobs', 'payloads'}")),
]  # fmt: skip

CLUSTER = [
    *REDIS[::4],
    _redis("a claim asks the first queue of a cluster alone", "second_queue_when_the_first_is_empty", (
        "backend.py", "if ends or count >= claim.limit:", "if ends or count >= claim.limit or not self._client.one_server:")),
    _redis("answers of several nodes are taken for each other", "found_by_its_id_alone", (
        "cluster.py", "answers.append(node.receive(patience.deadline))", "answers.insert(0, node.receive(patience.deadline))")),
]  # fmt: skip

POSTGRES = [
    _postgres("a settle does not compare the token", "stale_worker", (
        "c-change", "j.token = c.expect AND coalesce", "j.token IS NOT NULL AND coalesce")),
    _postgres("a change that compares the version does not", "moved_on", (
        "c-change", "ELSE coalesce(j.version, j.token, j.id) = c.expect END", "ELSE true END")),
    _postgres("the count of a refused change holds", "refused_outcome", (
        "c-change", "(cardinality(applied) = cardinality(ids) OR EXISTS (", "(true OR EXISTS (")),
    _postgres("the greatest count of a batch holds", "the_least_holds", ("c-change", "min(caps[run]) AS cap", "max(caps[run]) AS cap")),
    _postgres("a running job keeps the wake-up it had when it waited", "does_not_expire_while_it_runs", (
        "d-claim", "rank = moment + lease, wake_at = NULL,", "rank = moment + lease,")),
    _postgres("a delay ends a millisecond late", "moment_its_delay_ends", (
        "d-claim", "WHERE queue = number AND phase = 1 AND rank <= moment)", "WHERE queue = number AND phase = 1 AND rank < moment)")),
    _postgres("a taken-in job loses its priority", "due_job_of_high_priority", (
        "d-claim", "rank = j.rank + ((1000 - j.priority)::bigint << 48)", "rank = j.rank + (1000::bigint << 48)")),
    _postgres("one id that exists keeps a batch out", "whose_ids_are_new", (
        "b-insert", "RETURN :schema.insert_new(moment, number, numbers, ids, bodies, payloads);", "RETURN ARRAY[]::text[];")),
    _postgres("nobody hears of a new job", "a_new_job_is_hinted_at", ("b-insert", "PERFORM pg_notify(channel, '');", "NULL;")),
    _postgres("a key lives a millisecond too long", "lives_for_its_ttl", (
        "b-insert", "name = dedup AND coalesce(until > moment, true)", "name = dedup AND coalesce(until >= moment, true)")),
    _postgres("a dedup key is taken and never looked at", "same_dedup_key", (
        "b-insert", "IF NOT FOUND AND dedup IS NOT NULL", "IF FOUND AND dedup IS NOT NULL")),
    _postgres("the end of a job frees a key that another job has taken", "has_another_owner", (
        "c-change", "DELETE FROM :schema.keys\n        WHERE queue = asked.queue AND name = asked.name AND coalesce(until > moment, true) AND job = asked.id",
        "DELETE FROM :schema.keys\n        WHERE queue = asked.queue AND name = asked.name AND coalesce(until > moment, true)")),
    _postgres("trimmed jobs are still counted", "last_so_many", (
        "c-change", "FROM gone HAVING count(*) > 0;", "FROM gone HAVING count(*) < 0;")),
    _postgres("one finished job too many stays", "last_so_many", (
        "c-change", "q.succeeded + q.cancelled - cap + coalesce(", "q.succeeded + q.cancelled - cap - 1 + coalesce(")),
    _postgres("a worker that has not heard of it undoes a requested stop", "request_to_cancel", (
        "c-change", "stop = (j.stop OR c.stop) AND c.phase <= 3, once = c.once, owner = c.owner, token = c.token, version = c.mark,\n"
        "        body = c.body, output", "stop = c.stop AND c.phase <= 3, once = c.once, owner = c.owner, token = c.token, version = c.mark,\n"
        "        body = c.body, output")),
    _postgres("a heartbeat leaves the version as it is", "defeats_it", (
        "d-claim", "version = j.token || '~' || (moment + lease),", "version = j.version,")),
    _postgres("a queue's jobs are handed out by id alone", "leaves_first", (
        "d-claim", "ORDER BY rank, id LIMIT most_now FOR", "ORDER BY id, rank LIMIT most_now FOR")),
    _postgres("claims of a limited queue do not wait for each other", "concurrent_claims_respect_max_running", (
        "d-claim", "c.max_running > 0 OR c.due ORDER BY", "c.due ORDER BY"), (
        "d-claim", "(q.due OR q.max_running > 0)", "q.due"), (
        "d-claim", "      CONTINUE WHEN room <= 0;\n", "      CONTINUE WHEN room <= 0;\n      PERFORM pg_sleep(0.02);\n")),
    _postgres("an at_most_once job is fetched ahead", "never_fetched_ahead", (
        "d-claim", "next_once.id IS NOT NULL AND free > 0;", "true;"), (
        "d-claim", "CASE WHEN any_once THEN free ELSE room END", "room")),
    _postgres("a lease ends while it goes on", "not_a_millisecond_before", (
        "e-read", "AND j.phase = 3 AND j.rank <= due_jobs.wake ORDER", "AND j.phase = 3 ORDER")),
    _postgres("folding forgets what runs", "counts_a_loss", ("e-read", "running = t.running + d.running,", "running = t.running,")),
]  # fmt: skip

OBJECTS = [
    _objects("a settle does not compare the token", "stale_worker", (
        "changes.py", 'row.state != "running" or row.token != change.expect', 'row.state != "running"')),
    _objects("a change that compares the version does not", "moved_on", (
        "changes.py", "not change.fenced and row.version != change.expect", "not change.fenced and not row.version")),
    _objects("a delay ends a millisecond late", "moment_its_delay_ends", ("queue.py", 'upto((now, "~"))', 'upto((now - 1, "~"))')),
    _objects("a key lives a millisecond too long", "lives_for_its_ttl", ("queue.py", "key.until > now)", "key.until >= now)")),
    _objects("the end of a job frees a key that another job has taken", "has_another_owner", (
        "changes.py", "key is None or key.job != change.id", "key is None")),
    _objects("a worker that has not heard of it undoes a requested stop", "request_to_cancel", (
        "row.py", "(job.stop or old.stop)", "job.stop")),
    _objects("a heartbeat leaves the version as it is", "defeats_it", (
        "claims.py", 'version=f"{row.token}~{until}"', "version=row.version")),
    _objects("a queue's jobs are handed out by id alone", "leaves_first", (
        "row.py", "(-self.priority, self.ready_at, self.id)", "(0, 0, self.id)")),
    _objects("a claim lets one more run than max_running", "max_running_limits", (
        "claims.py", "queue.controls.max_running - len(", "queue.controls.max_running + 1 - len(")),
    _objects("an at_most_once job is fetched ahead", "never_fetched_ahead", ("claims.py", ">= claim.idle", "> claim.idle")),
    _objects("a cursor repeats the job it stands at", "join_to_the_whole", (
        "queue.py", "0 if last is None else bisect_right(", "0 if last is None else bisect_left(")),
    _objects("one finished job too many stays", "last_so_many", ("changes.py", "len(counted) - cap)", "len(counted) - cap - 1)")),
    _objects("who lost a commit to another answers as if it were made", "concurrent", (
        "log.py", "with self._store.turn():", "if True:"), (
        "log.py", "and not self._is_mine(entry):\n            return False", "and not self._is_mine(entry):\n            return True")),
    _objects("a lost commit is not taken back", "concurrent", (
        "log.py", "with self._store.turn():", "if True:"), (
        "log.py", "            raise\n        step.undo()\n        return False", "            raise\n        return False")),
]  # fmt: skip

DYNAMODB = [
    _dynamodb("a settle does not compare the token", "stale_worker", (
        "changes.py", ' or item["token"] != change.expect)', ")")),
    _dynamodb("a delay ends a millisecond late", "moment_its_delay_ends", ("reads.py", "moment(now, LAST))", "moment(now - 1, LAST))")),
    _dynamodb("a taken-in job loses its priority", "due_job_of_high_priority_is_never_passed_by_ready", (
        "claims.py", 'place(replace(job_of(item), state="ready"))', 'place(replace(job_of(item), state="ready", priority=0))')),
    _dynamodb("a key lives a millisecond too long", "lives_for_its_ttl", (
        "inserts.py", "now + 1) > now else", "now + 1) >= now else")),
    _dynamodb("the end of a job frees a key that another job has taken", "has_another_owner", (
        "changes.py", 'if held is None or held["job"] != change.id:', "if held is None:")),
    _dynamodb("trimmed jobs are still counted", "last_so_many", (
        "changes.py", "moved(step, queue, item, None)", "step.count(queue, 'counted', -1)")),
    _dynamodb("a worker that has not heard of it undoes a requested stop", "request_to_cancel", (
        "changes.py", 'elif "stop" in old:', 'elif old is item_of:')),
    _dynamodb("a heartbeat leaves the version as it is", "defeats_it", (
        "claims.py", 'lease_until=until, version=f"{lease.token}~{until}")', "lease_until=until)")),
    _dynamodb("ready jobs are handed out by id alone", "leaves_first", (
        "keys.py", "{MAX_PRIORITY - job.priority:04d}/{job.ready_at:013d}/{job.id}", "{job.id}/{job.ready_at:013d}")),
    _dynamodb("a claim does not look at the limit of the queue", "max_running_limits", (
        "claims.py", "if not controls.max_running:", "if controls:")),
    _dynamodb("a large payload loses its second part", "one_mebibyte", (
        "rows.py", "range(0, len(payload), PART)", "range(0, min(len(payload), PART), PART)")),
]  # fmt: skip
