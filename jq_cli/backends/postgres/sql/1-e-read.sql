-- Version 1: readers, the maintenance tick, and operators.

CREATE FUNCTION :schema.counts_of(clock bigint, queue_names text[])
RETURNS TABLE (
  name text, moment bigint, scheduled bigint, ready bigint, running bigint, succeeded bigint, cancelled bigint,
  succeeded_kept bigint, cancelled_kept bigint, dead bigint, enqueued bigint, total_succeeded bigint, failed bigint,
  total_dead bigint, recovered bigint, duplicates bigint, came_due bigint, oldest bigint,
  paused bool, paused_reason text, paused_by text, paused_until bigint, max_running bigint
) LANGUAGE plpgsql STABLE  -- so that all of it is of one moment
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
  asked_at bigint := :schema.moment(clock);
BEGIN
  RETURN QUERY
    SELECT q.name, asked_at,
      q.scheduled + d.scheduled, q.ready + d.ready, q.running + d.running, q.succeeded + d.succeeded, q.cancelled + d.cancelled,
      q.succeeded_kept + d.succeeded_kept, q.cancelled_kept + d.cancelled_kept, q.dead + d.dead,
      q.total_enqueued + d.enqueued, q.total_succeeded + d.total_succeeded, q.total_failed + d.failed, q.total_dead + d.total_dead,
      q.total_recovered + d.recovered, q.total_duplicates + d.duplicates,
      due.jobs, least(due.oldest, :schema.oldest_ready(q.number)),
      q.paused, q.paused_reason, q.paused_by, q.paused_until, q.max_running
    FROM :schema.queues AS q
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(e.scheduled), 0)::bigint AS scheduled, coalesce(sum(e.ready), 0)::bigint AS ready,
        coalesce(sum(e.running), 0)::bigint AS running, coalesce(sum(e.succeeded), 0)::bigint AS succeeded,
        coalesce(sum(e.cancelled), 0)::bigint AS cancelled, coalesce(sum(e.succeeded_kept), 0)::bigint AS succeeded_kept,
        coalesce(sum(e.cancelled_kept), 0)::bigint AS cancelled_kept, coalesce(sum(e.dead), 0)::bigint AS dead,
        coalesce(sum(e.total_enqueued), 0)::bigint AS enqueued, coalesce(sum(e.total_succeeded), 0)::bigint AS total_succeeded,
        coalesce(sum(e.total_failed), 0)::bigint AS failed, coalesce(sum(e.total_dead), 0)::bigint AS total_dead,
        coalesce(sum(e.total_recovered), 0)::bigint AS recovered, coalesce(sum(e.total_duplicates), 0)::bigint AS duplicates
      FROM :schema.deltas AS e WHERE e.queue = q.number AND e.at > q.folded_at
    ) AS d
    CROSS JOIN LATERAL (
      SELECT count(*) AS jobs, min(j.rank) AS oldest FROM :schema.jobs AS j
      WHERE j.queue = q.number AND j.phase = 1 AND j.rank <= asked_at
    ) AS due
    WHERE queue_names IS NULL OR q.name = ANY (queue_names)
    ORDER BY q.name;
END
$$;

-- The least moment among ready jobs, from the first of each priority.
CREATE FUNCTION :schema.oldest_ready(number int) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
  place bigint := 0;
  oldest bigint;
BEGIN
  LOOP
    SELECT rank INTO place FROM :schema.jobs WHERE queue = number AND phase = 2 AND rank >= place ORDER BY rank, id LIMIT 1;
    EXIT WHEN place IS NULL;
    oldest := least(oldest, place & ((1::bigint << 48) - 1));
    place := ((place >> 48) + 1) << 48;
  END LOOP;
  RETURN oldest;
END
$$;

-- Adds what steps did to the numbers of their queues. Those of steps that began more than 10 s ago are all there, but for steps in a
-- caller's own transaction: `everything` looks for those too, and for jobs before the places that are remembered.
CREATE FUNCTION :schema.fold(everything bool) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM :schema.fold_queue(s.number, everything, false) FROM :schema.queues AS s
  WHERE EXISTS (SELECT FROM :schema.deltas AS d WHERE d.queue = s.number AND (everything OR d.at > s.folded_at));
END
$$;

-- The same for one queue. Where claims begin somewhere else than at the beginning, or shall from now on (`remember`), that place moves
-- up to the first ready job: found in the same statement, which sees the jobs of no step whose row it does not see. So does the place
-- of finished jobs, where the way to the first leads past many dead rows.
CREATE FUNCTION :schema.fold_queue(number int, everything bool, remember bool) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  upto bigint := :schema.moment(NULL) - 10000;
  since bigint;
  before bigint;
  by_place bool;
  finished_by_place bool;
BEGIN
  SELECT s.folded_at, s.ready_from IS NOT NULL, s.finished_from IS NOT NULL INTO since, by_place, finished_by_place
    FROM :schema.queues AS s WHERE s.number = fold_queue.number FOR UPDATE SKIP LOCKED;
  IF since IS NULL THEN
    RETURN;  -- somebody else is at it
  END IF;
  IF everything AND by_place THEN
    before := :schema.walked();
    PERFORM FROM :schema.jobs WHERE queue = fold_queue.number AND phase = 2 ORDER BY rank, id LIMIT 1;
    by_place := :schema.walked() - before > 1000;
  END IF;
  IF everything OR NOT finished_by_place THEN
    before := :schema.walked();
    PERFORM FROM :schema.jobs WHERE queue = fold_queue.number AND phase = 4 ORDER BY rank, id LIMIT 1;
    PERFORM FROM :schema.jobs WHERE queue = fold_queue.number AND phase = 5 ORDER BY rank, id LIMIT 1;
    finished_by_place := :schema.walked() - before > 1000;
  END IF;
  IF remember THEN
    by_place := true;
    INSERT INTO :schema.deltas (queue, at) VALUES (number, :schema.moment(NULL));  -- so that there is one
  END IF;
  WITH gone AS (
    DELETE FROM :schema.deltas AS d WHERE d.queue = fold_queue.number AND (everything OR d.at > since) RETURNING *
  ), summed AS (
    SELECT sum(scheduled) AS scheduled, sum(ready) AS ready, sum(running) AS running, sum(succeeded) AS succeeded,
      sum(cancelled) AS cancelled, sum(succeeded_kept) AS succeeded_kept, sum(cancelled_kept) AS cancelled_kept, sum(dead) AS dead,
      sum(total_enqueued) AS enqueued, sum(total_succeeded) AS total_succeeded, sum(total_failed) AS failed,
      sum(total_dead) AS total_dead, sum(total_recovered) AS recovered, sum(total_duplicates) AS duplicates, min(lowest) AS lowest,
      min(earliest) AS earliest
    FROM gone HAVING count(*) > 0
  )
  UPDATE :schema.queues AS t SET
    folded_at = greatest(t.folded_at, upto), scheduled = t.scheduled + d.scheduled, ready = t.ready + d.ready,
    running = t.running + d.running, succeeded = t.succeeded + d.succeeded, cancelled = t.cancelled + d.cancelled,
    succeeded_kept = t.succeeded_kept + d.succeeded_kept, cancelled_kept = t.cancelled_kept + d.cancelled_kept,
    dead = t.dead + d.dead, total_enqueued = t.total_enqueued + d.enqueued,
    total_succeeded = t.total_succeeded + d.total_succeeded, total_failed = t.total_failed + d.failed,
    total_dead = t.total_dead + d.total_dead, total_recovered = t.total_recovered + d.recovered,
    total_duplicates = t.total_duplicates + d.duplicates,
    ready_from = CASE WHEN by_place THEN coalesce((
      SELECT j.rank FROM :schema.jobs AS j
      WHERE j.queue = fold_queue.number AND j.phase = 2
        AND j.rank >= CASE WHEN everything OR t.ready_from IS NULL THEN 0 ELSE least(t.ready_from, d.lowest) END
      ORDER BY j.rank, j.id LIMIT 1
    ), 9223372036854775807) END,
    finished_from = CASE WHEN finished_by_place THEN least((
      SELECT j.rank FROM :schema.jobs AS j
      WHERE j.queue = fold_queue.number AND j.phase = 4
        AND j.rank >= CASE WHEN everything OR t.finished_from IS NULL THEN 0 ELSE least(t.finished_from, d.earliest) END
      ORDER BY j.rank, j.id LIMIT 1
    ), (
      SELECT j.rank FROM :schema.jobs AS j
      WHERE j.queue = fold_queue.number AND j.phase = 5
        AND j.rank >= CASE WHEN everything OR t.finished_from IS NULL THEN 0 ELSE least(t.finished_from, d.earliest) END
      ORDER BY j.rank, j.id LIMIT 1
    ), 9223372036854775807) END
  FROM summed AS d WHERE t.number = fold_queue.number;
END
$$;

-- Rows whose wake-up passed, earliest first, as they are at that moment. Forgets keys that ended, and folds. The first row says in
-- `wake` what time it is.
CREATE FUNCTION :schema.due_jobs(clock bigint, most bigint, everything bool)
RETURNS TABLE (
  wake bigint, queue_name text, id text, phase int, rank bigint, priority int, ready_at bigint, created_at bigint,
  expires_at bigint, started_at bigint, generation int, owner text, token text, version text, stop bool, body bytea, payload bytea
) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
BEGIN
  wake := :schema.moment(clock);
  IF EXISTS (SELECT FROM :schema.keys WHERE until <= due_jobs.wake) THEN
    DELETE FROM :schema.keys AS gone USING (
      SELECT k.queue, k.name FROM :schema.keys AS k WHERE k.until <= due_jobs.wake ORDER BY k.until LIMIT 1000 FOR UPDATE SKIP LOCKED
    ) AS ended WHERE gone.queue = ended.queue AND gone.name = ended.name;
  END IF;
  PERFORM :schema.fold(everything);
  RETURN NEXT;
  RETURN QUERY
    SELECT w.wake, q.name, j.id, j.phase::int, j.rank, j.priority::int, j.ready_at, j.created_at, j.expires_at, j.started_at,
      j.generation, j.owner, j.token, coalesce(j.version, j.token, j.id), j.stop, j.body, j.payload
    FROM (
      (SELECT j.wake_at AS wake, j.queue, j.id FROM :schema.jobs AS j WHERE j.wake_at <= due_jobs.wake
        ORDER BY j.wake_at, j.id LIMIT most)
      UNION ALL
      SELECT r.rank, r.queue, r.id FROM :schema.queues AS busy CROSS JOIN LATERAL (
        SELECT j.rank, j.queue, j.id FROM :schema.jobs AS j
        WHERE j.queue = busy.number AND j.phase = 3 AND j.rank <= due_jobs.wake ORDER BY j.rank, j.id LIMIT most
      ) AS r
      ORDER BY 1, 3 LIMIT most
    ) AS w
    JOIN :schema.jobs AS j ON j.id = w.id AND j.queue = w.queue
    JOIN :schema.queues AS q ON q.number = w.queue
    ORDER BY w.wake, w.id;
END
$$;

-- Changes the controls of a queue where they still are the ones the caller saw. Whether it did.
CREATE FUNCTION :schema.set_controls(
  queue_name text, old_paused bool, old_reason text, old_by text, old_until bigint, old_max bigint,
  new_paused bool, new_reason text, new_by text, new_until bigint, new_max bigint
) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  found_number int := :schema.queue_number(queue_name);
BEGIN
  PERFORM pg_advisory_xact_lock(:lock, found_number);
  UPDATE :schema.queues SET
    paused = new_paused, paused_reason = new_reason, paused_by = new_by, paused_until = new_until, max_running = new_max
  WHERE number = found_number
    AND (paused, paused_reason, paused_by, max_running) = (old_paused, old_reason, old_by, old_max)
    AND paused_until IS NOT DISTINCT FROM old_until;
  RETURN FOUND;
END
$$;
