"""The planted bugs in the memory backend: what people get wrong in queues, one at a time."""

from tests.conformance.planting import Mutant

BACKEND, QUEUE = "backend.py", "queue.py"


def _bug(name: str, *edits: tuple[str, str, str], machine: bool = True) -> Mutant:
    return Mutant(name, edits, machine=machine)


FENCING = [
    _bug("any running job can be settled by anybody", (BACKEND, " or job.token != change.expect)", ")")),
    _bug("an operator's change does not compare the version", (BACKEND, "job.version != change.expect:", "not job.version:")),
    _bug("extend does not compare the token", (BACKEND, " or job.token != lease.token:", ":")),
    _bug("a lease that ran out cannot be extended",
         (BACKEND, " or job.token != lease.token:", " or job.token != lease.token or job.lease_until <= self._clock():")),
    _bug("the token of a claim does not tell generations apart",
         (BACKEND, 'token = f"{job.generation + 1}.{claim.nonce}"', "token = claim.nonce")),
    _bug("a heartbeat leaves the version as it is, so a late recovery wins over it",
         (BACKEND, ', version=f"{job.token}~{until}"))', "))")),
    _bug("an outcome sent again is taken for a stale one", (BACKEND, "if job.version == change.mark:", "if job is change:")),
    _bug("an outcome sent again is counted again",
         (BACKEND, "if job.version == change.mark:\n            return",
          "if job.version == change.mark:\n            [queue.count(total) for total in change.totals]\n            return")),
    _bug("a worker that has not heard of it undoes a requested stop", (BACKEND, "elif old.stop:", "elif old.id == '':")),
    _bug("a requested stop is not told to the worker", (BACKEND, '"stop" if job.stop else', '"stop" if not job.id else')),
    _bug("a settle without output wipes what the heartbeats brought",
         (BACKEND, "if change.output is not None:\n            queue.outputs[change.id] = change.output",
          "queue.outputs[change.id] = change.output")),
    _bug("a stale heartbeat writes its output",
         (BACKEND, "        if job is None or job.state",
          "        if lease.id in live and job:\n            queue.outputs[lease.id] = live[lease.id]\n"
          "        if job is None or job.state")),
]  # fmt: skip

ORDER = [
    _bug("ties leave in the order of insertion, not of ids",
         (QUEUE, "        return job.order", "        return (*job.order[:2], ARRIVED.setdefault(job.id, len(ARRIVED)), job.id)"),
         (QUEUE, "def _place(", "ARRIVED: dict[str, int] = {}\n\n\ndef _place("),
         (BACKEND, "for _, ready_at, _ in", "for _, ready_at, *_ in")),
    _bug("a delay ends a millisecond late", (QUEUE, 'upto((now, "~"))', 'upto((now, ""))')),
    _bug("a delayed job competes by the moment somebody looked",
         (QUEUE, 'replace(self.jobs[id], state="ready")', 'replace(self.jobs[id], state="ready", ready_at=now)')),
    _bug("one bounded step takes in due jobs, whatever is left",
         (QUEUE, 'upto((now, "~")):', 'upto((now, "~"))[:500]:'), machine=False),
    _bug("a job that comes back loses its priority",
         (BACKEND, "        queue.put(new, change.keep)",
          '        if old.state == "running" and new.state == "ready":\n            new = replace(new, priority=0)\n'
          "        queue.put(new, change.keep)")),
    _bug("a job that comes back loses its place",
         (BACKEND, "        if new.state in FINAL:",
          '        if old.state == "running" and new.state == "ready":\n            new = replace(new, ready_at=now)\n'
          "        if new.state in FINAL:")),
    _bug("a promoted job keeps the moment it was delayed to", (BACKEND, "if change.delay is not None:", "if change.delay:")),
    _bug("a claim looks at its queues in their alphabetical order", (BACKEND, "in claim.queues:", "in sorted(claim.queues):")),
    _bug("an at_most_once job is fetched ahead by one", (BACKEND, ">= claim.idle:", "> claim.idle:")),
    _bug("idle is counted for each queue alone", (BACKEND, "already + len(chosen) >=", "len(chosen) >=")),
    _bug("an at_most_once job that must wait is passed by others", (BACKEND, "return chosen, True", "continue")),
    _bug("the next queue is looked at although a job must wait", (BACKEND, "return chosen, True", "return chosen, False")),
]  # fmt: skip

RECOVERY = [
    _bug("a lease ends a millisecond late", (BACKEND, 'upto((now, "~"))', 'upto((now, ""))')),
    _bug("the wake-up does not follow an extended lease",
         (BACKEND, '{until}"))\n',
          '{until}"))\n        queue.wakes.discard((until, job.id))\n        queue.wakes.add((job.lease_until, job.id))\n')),
    _bug("the wake-up of a settled job stays", (QUEUE, "            self.wakes.discard((wake, id))", "            pass")),
    _bug("due forgets the queues after the first", (BACKEND, "in self._queues.values():\n            rows",
                                                   "in list(self._queues.values())[:1]:\n            rows")),
    _bug("due gives the latest first", (BACKEND, "rows.sort(key=lambda row: row[:2])",
                                        "rows.sort(key=lambda row: row[:2], reverse=True)"), machine=False),
    _bug("held gives the jobs of every worker", (BACKEND, "if q.jobs[id].owner == worker", "if q.jobs[id].owner")),
]  # fmt: skip

KEYS = [
    _bug("the dedup window is checked before the step that enqueues",
         (BACKEND, "    @_locked\n    def insert(", "    def insert("),
         (BACKEND, "        if refused is not None:", "        time.sleep(0.0005)\n        if refused is not None:"),
         machine=False),
    _bug("the end of a job frees no key", (BACKEND, "            del queue.keys[change.name]", "            pass")),
    _bug("the end of a job frees a key that another job has taken", (BACKEND, "if key is None or key.job != id:", "if key is None:")),
    _bug("the outcome of an idempotent job is dropped", (BACKEND, "key.outcome, key.until = change.outcome, now", "key.until = now")),
    _bug("an outcome is kept for ever", (BACKEND, "key.outcome, key.until = change.outcome, now + change.ttl",
                                         "key.outcome = change.outcome")),
    _bug("another payload under the same key is not noticed", (BACKEND, "key.fingerprint != draft.fingerprint", "not key.job")),
    _bug("a key lives a millisecond too long", (QUEUE, "key.until > now)", "key.until >= now)")),
    _bug("a key that ended is revived by the outcome of its old job",
         (BACKEND, "key = queue.live_key(change.name, now)", "key = queue.keys.get(change.name)"), machine=False),
    _bug("a tick forgets keys before they end", (BACKEND, "k.until <= now]", "k.until <= now + 500]")),
    _bug("in a batch later jobs are judged before earlier ones",
         (BACKEND, "[self._insert(draft, now) for draft in drafts]",
          "[self._insert(draft, now) for draft in reversed(drafts)][::-1]")),
    _bug("an id that exists is stored again", (BACKEND, "if job.id in queue.jobs:", "if not job.id:")),
    _bug("a duplicate prolongs the window",
         (BACKEND, '            return Inserted("duplicate", key.job)',
          "            key.until = key.until and now + 600_000\n"
          '            return Inserted("duplicate", key.job)')),
]  # fmt: skip

KEEPING = [
    _bug("a dead job is in the DLQ twice",
         (QUEUE, "        if keep is not None and",
          '        if job.state == "dead":\n            self.orders["dead"].add(_place(job))\n        if keep is not None and')),
    _bug("a full queue drops its newest finished jobs", (BACKEND, "[: max(0, len(queue.counted.items) - cap)]", "[cap:]")),
    _bug("a queue keeps one finished job too many", (BACKEND, ".items) - cap)", ".items) - cap - 1)")),
    _bug("the last count of a batch holds instead of the least",
         (BACKEND, "caps_of(applied)", "{c.queue: c.cap for c in applied if c.cap is not None}"), machine=False),
    _bug("the retention of finished jobs is ignored", (BACKEND, "queue.put(new, change.keep)", "queue.put(new)")),
    _bug("jobs with their own retention are counted too",
         (QUEUE, "in FINAL and job.counted:", 'in FINAL and job.state != "dead":'), machine=False),
    _bug("removed jobs are still counted among the last so many",
         (QUEUE, "            self.counted.discard((job.finished_at, id))", "            pass"), machine=False),
    _bug("a requeued job keeps the retention it had in the DLQ", (QUEUE, "        self.keep.pop(id, None)", "        pass"), machine=False),
    _bug("a refused outcome trims the finished jobs", (BACKEND, 'if verdict == "applied"]', "if verdict]")),
    _bug("totals shrink when jobs are trimmed",
         (BACKEND, "            queue.drop(id)\n", '            queue.count(queue.jobs[id].state, -1)\n            queue.drop(id)\n')),
    _bug("the output of a removed job stays",
         (BACKEND, "            queue.drop(change.id)\n            queue.outputs.pop(change.id, None)",
          "            queue.drop(change.id)")),
    _bug("the payload is written by every change", (BACKEND, "change.job.payload if change.payload else old.payload",
                                                    "change.job.payload"), machine=False),
    _bug("the payload is decoded and encoded again",
         (BACKEND, "            draft.job,\n",
          "            draft.job,\n            payload=msgspec.json.encode(msgspec.json.decode(draft.job.payload)),\n")),
]  # fmt: skip

CONTROLS_AND_READERS = [
    _bug("a paused queue hands out delayed jobs that become due",
         (BACKEND, "or queue.controls.holds(now):",
          'or (queue.controls.holds(now) and not queue.orders["scheduled"].upto((now, "~"))):')),
    _bug("a pause ends a millisecond late", (BACKEND, "queue.controls.holds(now):", "queue.controls.holds(now - 1):")),
    _bug("max_running lets one more run", (BACKEND, "queue.controls.max_running - len", "queue.controls.max_running + 1 - len")),
    _bug("max_running counts the claim alone", (BACKEND, ' - len(queue.orders["running"].items))', ")")),
    _bug("a cursor skips jobs of the same moment", (BACKEND, "else place > last)", "else place[:-1] > tuple(last)[:-1])")),
    _bug("a cursor repeats the last job", (BACKEND, "else place > last)", "else place >= last)")),
    _bug("a cursor of a backward listing goes forward", (BACKEND, "place < last if reverse", "place > last if reverse")),
    _bug("the last page promises another", (BACKEND, "more = len(places) > limit", "more = len(places) >= limit > 0")),
    _bug("the oldest ready job is that at the head", (BACKEND, "oldest = min((", "oldest = next(iter([")
         , (BACKEND, '["ready"].items), default=None)', '["ready"].items]), None)')),
    _bug("swap does not compare", (BACKEND, "if self._notes.get(key) != old:", "if key is old:")),
    _bug("swap takes an empty note for an absent one", (BACKEND, "self._notes.get(key) != old", "(self._notes.get(key) or None) != old")),
    _bug("looking at a queue makes it", (BACKEND, "return self._queues.get(name) or MemoryQueue()", "return self._queue(name)")),
    _bug("a due job is shown as scheduled", (BACKEND, 'job.state == "scheduled" and job.ready_at <= now', "job.id == ''")),
    _bug("two claims at once see the same jobs",
         (BACKEND, "    @_locked\n    def claim(", "    def claim("),
         (BACKEND, "            jobs += [self._lease(", "            time.sleep(0.0005)\n            jobs += [self._lease("),
         machine=False),
    _bug("two reports at once are both applied",
         (BACKEND, "    @_locked\n    def replace(", "    def replace("),
         (BACKEND, "        self._write(queue, job, change, now)", "        time.sleep(0.0005)\n        self._write(queue, job, change, now)"),
         machine=False),
]  # fmt: skip

MEMORY = [*FENCING, *ORDER, *RECOVERY, *KEYS, *KEEPING, *CONTROLS_AND_READERS]
