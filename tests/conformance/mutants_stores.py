"""Planted bugs in the SQLite and Redis backends: those that only such a store can have, in its SQL or its Lua."""

from tests.conformance.planting import Mutant


def _sqlite(name: str, tests: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, edits, backend="sqlite", tests=tests)


def _redis(name: str, tests: str, *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, edits, backend="redis", tests=tests)


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
        "lua/insert.lua", "    return refuse('d', key.job)\n  end\n  key = job.idempotency", "    key = nil\n  end\n  key = job.idempotency")),
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
