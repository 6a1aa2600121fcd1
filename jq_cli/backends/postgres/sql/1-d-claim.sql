-- Version 1: workers.
--
-- Each queue has an advisory lock, `(:lock, its number)`. A claim holds it shared, or alone where it must know what others claim:
-- when the queue has a limit, or due jobs must be taken in. An operator's change of the controls holds it alone too, and so returns
-- after the last claim that did not know of it. Nobody who holds one waits for a row.

CREATE FUNCTION :schema.has_due(moment bigint, number int) RETURNS bool LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM :schema.jobs WHERE queue = number AND phase = 1 AND rank <= moment)
$$;

-- Makes due scheduled jobs ready, at most 5,000; they compete by the moment their delay ended. How many.
CREATE FUNCTION :schema.take_in(moment bigint, number int) RETURNS int LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  taken int;
  lowest bigint;
BEGIN
  WITH due AS MATERIALIZED (
    SELECT ctid FROM :schema.jobs WHERE queue = number AND phase = 1 AND rank <= moment
    ORDER BY rank, id LIMIT 5000 FOR UPDATE SKIP LOCKED
  ), made AS (
    UPDATE :schema.jobs AS j SET phase = 2, rank = j.rank + ((1000 - j.priority)::bigint << 48)
    FROM due WHERE j.ctid = due.ctid
    RETURNING j.rank
  )
  SELECT count(*), min(made.rank) INTO taken, lowest FROM made;
  IF taken > 0 THEN
    INSERT INTO :schema.deltas (queue, at, lowest, scheduled, ready) VALUES (number, :schema.moment(NULL), lowest, -taken, taken);
  END IF;
  RETURN taken;
END
$$;

-- The same for readers, all that is due. How many jobs.
CREATE FUNCTION :schema.take_in_due(clock bigint, queue_name text) RETURNS int LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  moment bigint := :schema.moment(clock);
  found_number int := (SELECT number FROM :schema.queues WHERE name = queue_name);
BEGIN
  IF found_number IS NULL OR NOT :schema.has_due(moment, found_number) THEN
    RETURN 0;
  END IF;
  PERFORM pg_advisory_xact_lock(:lock, found_number);
  RETURN :schema.take_in(moment, found_number);
END
$$;

-- Where the ready jobs of a queue begin, for statements that see what this one sees. With nothing remembered, at the beginning.
CREATE FUNCTION :schema.ready_from(number int) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN q.ready_from IS NULL THEN 0 ELSE least(q.ready_from, (
    SELECT min(d.lowest) FROM :schema.deltas AS d WHERE d.queue = q.number AND d.at > q.folded_at)) END
  FROM :schema.queues AS q WHERE q.number = ready_from.number
$$;

-- How many entries of the indexes of ready and of finished jobs this session has walked over, dead ones included; what it has reported
-- to the statistics is taken off, which happens between transactions.
CREATE FUNCTION :schema.walked() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT pg_stat_get_xact_tuples_returned($name$:schema.job_ready$name$::regclass)
    + pg_stat_get_xact_tuples_returned($name$:schema.job_finished$name$::regclass)
$$;

-- Remembers where the ready jobs of queues begin, where the way there leads past many dead rows.
CREATE FUNCTION :schema.remember_ready(queue_names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  q record;
  before bigint;
BEGIN
  FOR q IN SELECT number FROM :schema.queues WHERE name = ANY (queue_names) LOOP
    before := :schema.walked();
    PERFORM FROM :schema.jobs WHERE queue = q.number AND phase = 2 AND rank >= :schema.ready_from(q.number) ORDER BY rank, id LIMIT 1;
    IF :schema.walked() - before > 200 THEN
      PERFORM :schema.fold_queue(q.number, false, true);
    END IF;
  END LOOP;
END
$$;

-- Leases jobs in order. The first row says in `created_at` what time it is, in `stop` whether to ask again at once because something
-- else had to be done first, in `generation` how many jobs were taken in; then each job with its queue as a number into the names
-- and its place in that queue: they come in any order.
CREATE FUNCTION :schema.claim_jobs(
  clock bigint, queue_names text[], most bigint, worker text, lease bigint, nonce text, idle bigint
) RETURNS TABLE (
  queue int, id text, priority int, ready_at bigint, created_at bigint, expires_at bigint, generation int, stop bool, body bytea,
  payload bytea, place bigint
) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  moment bigint := :schema.moment(clock);
  numbers int[];
  places bigint[];
  alone bool[];
  taken int := 0;
  step int;
  again bool := false;
  got bigint := 0;
  q record;
  room bigint;
  free bigint;
  most_now bigint;
  any_once bool;
  bound bigint;
  leased int;
  next_once record;
  dead bigint := -:schema.walked();
BEGIN
  -- Only reads, so that idle workers are in nobody's way.
  SELECT array_agg(c.number ORDER BY c.number), array_agg(c.place ORDER BY c.number), array_agg(c.max_running > 0 OR c.due ORDER BY c.number)
  INTO numbers, places, alone
  FROM (
    SELECT q.number, min(named.place) AS place, q.max_running, :schema.has_due(moment, q.number) AS due
    FROM unnest(queue_names) WITH ORDINALITY AS named (name, place)
    JOIN :schema.queues AS q USING (name)
    WHERE NOT (q.paused AND coalesce(q.paused_until > moment, true)) AND (
      EXISTS (SELECT FROM :schema.jobs AS j WHERE j.queue = q.number AND j.phase = 2
        AND j.rank >= CASE WHEN q.ready_from IS NULL THEN 0 ELSE :schema.ready_from(q.number) END)
      OR :schema.has_due(moment, q.number))
    GROUP BY q.number, q.max_running ORDER BY place LIMIT 32
  ) AS c;
  -- In the order of their numbers, whatever order the claim names: two claims cannot wait for each other.
  FOR step IN 1 .. coalesce(cardinality(numbers), 0) LOOP
    IF alone[step] THEN
      PERFORM pg_advisory_xact_lock(:lock, numbers[step]);
    ELSE
      PERFORM pg_advisory_xact_lock_shared(:lock, numbers[step]);
    END IF;
  END LOOP;
  moment := :schema.moment(clock);
  FOR q IN
    SELECT c.number, c.place, c.alone, s.max_running, :schema.has_due(moment, c.number) AS due
    FROM unnest(numbers, places, alone) AS c (number, place, alone) JOIN :schema.queues AS s ON s.number = c.number
    WHERE NOT (s.paused AND coalesce(s.paused_until > moment, true)) ORDER BY c.place
  LOOP
    again := again OR NOT q.alone AND (q.due OR q.max_running > 0);
    IF q.due AND q.alone THEN
      step := :schema.take_in(moment, q.number);
      taken := taken + step;
      again := again OR step >= 5000;
    END IF;
  END LOOP;
  RETURN QUERY SELECT 0, NULL::text, 0, 0::bigint, moment, 0::bigint, taken, again, NULL::bytea, NULL::bytea, 0::bigint;
  IF again THEN
    RETURN;
  END IF;
  FOR q IN
    SELECT c.number, c.place, s.max_running, s.ready_from
    FROM unnest(numbers, places) AS c (number, place) JOIN :schema.queues AS s ON s.number = c.number
    WHERE NOT (s.paused AND coalesce(s.paused_until > moment, true)) ORDER BY c.place
  LOOP
    room := most - got;
    EXIT WHEN room <= 0;
    IF q.max_running > 0 THEN
      room := least(room, q.max_running - (
        SELECT count(*) FROM (SELECT FROM :schema.jobs WHERE queue = q.number AND phase = 3 LIMIT q.max_running) AS running));
      CONTINUE WHEN room <= 0;
    END IF;
    -- Jobs that run at most once only where they may be started at once, and nothing from behind one that may not.
    leased := 0;
    LOOP
      SELECT j.rank, j.id INTO next_once FROM :schema.jobs AS j
        WHERE j.queue = q.number AND j.phase = 2 AND j.once
          AND j.rank >= CASE WHEN q.ready_from IS NULL THEN 0 ELSE :schema.ready_from(q.number) END
        ORDER BY j.rank, j.id LIMIT 1;
      free := least(room, greatest(0, idle - got));
      any_once := next_once.id IS NOT NULL AND free > 0;
      bound := CASE WHEN next_once.id IS NULL OR any_once THEN 9223372036854775807 ELSE next_once.rank END;
      most_now := CASE WHEN any_once THEN free ELSE room END;
      RETURN QUERY
        WITH head AS MATERIALIZED (
          SELECT ctid, rank FROM :schema.jobs
          WHERE queue = q.number AND phase = 2 AND (any_once OR NOT once) AND (rank, id) < (bound, coalesce(next_once.id, ''))
            AND rank >= CASE WHEN q.ready_from IS NULL THEN 0 ELSE :schema.ready_from(q.number) END
          ORDER BY rank, id LIMIT most_now FOR UPDATE SKIP LOCKED
        )
        UPDATE :schema.jobs AS j SET
          phase = 3, rank = moment + lease, wake_at = NULL, generation = j.generation + 1, owner = worker,
          token = (j.generation + 1) || '.' || nonce, version = NULL, started_at = moment
        FROM head WHERE j.ctid = head.ctid
        RETURNING q.place::int, j.id, j.priority::int, j.ready_at, j.created_at, j.expires_at, j.generation, j.stop, j.body,
          j.payload, head.rank;
      GET DIAGNOSTICS step = ROW_COUNT;
      leased := leased + step;
      got := got + step;
      room := room - step;
      EXIT WHEN NOT any_once OR step < free OR room <= 0;
    END LOOP;
    IF leased > 0 THEN
      INSERT INTO :schema.deltas (queue, at, ready, running) VALUES (q.number, :schema.moment(NULL), -leased, leased);
    END IF;
    -- The next job may not be fetched ahead: the claim ends before it.
    EXIT WHEN next_once.id IS NOT NULL AND NOT any_once AND room > 0;
  END LOOP;
  dead := dead + :schema.walked() - got;
  IF dead > 2000 + 200 * cardinality(queue_names) THEN
    PERFORM :schema.remember_ready(queue_names);
  END IF;
END
$$;

-- Moves the end of leases, in the order of the ids. Gives the numbers of the held ones, negated those whose job is to stop, then
-- the time.
CREATE FUNCTION :schema.extend_leases(
  clock bigint, queue_names text[], numbers bigint[], ids text[], tokens text[], lives bytea[], lease bigint
) RETURNS bigint[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  moment bigint := :schema.moment(clock);
  known int[];
  held bigint[];
BEGIN
  SELECT array_agg(number ORDER BY n) INTO known
    FROM unnest(queue_names) WITH ORDINALITY AS named (name, n) LEFT JOIN :schema.queues USING (name);
  WITH extended AS (
    UPDATE :schema.jobs AS j SET
      rank = moment + lease, version = j.token || '~' || (moment + lease), output = coalesce(c.live, j.output)
    FROM unnest(ids, tokens, lives) WITH ORDINALITY AS c (id, token, live, n)
    WHERE j.id = c.id AND j.queue = known[numbers[c.n]] AND j.phase + 0 = 3 AND j.token = c.token
    RETURNING CASE WHEN j.stop THEN -c.n ELSE c.n END AS n
  )
  SELECT array_agg(n) INTO held FROM extended;
  RETURN coalesce(held, '{}') || moment;
END
$$;
