-- Version 1: producers. A batch is of one queue. `numbers` holds five for each job: priority, delay, expires_in (-1: none), whether
-- it runs at most once, and how long its dedup key lives (-1: until it ends).

-- The rows of new jobs.
CREATE FUNCTION :schema.asked_jobs(
  moment bigint, number int, numbers bigint[], ids text[], bodies bytea[], payloads bytea[]
) RETURNS TABLE (
  queue int, id text, phase int, rank bigint, wake_at bigint, priority bigint, ready_at bigint, created_at bigint,
  expires_at bigint, generation int, stop bool, once bool, body bytea, payload bytea
) LANGUAGE sql IMMUTABLE AS $$
  SELECT number, a.id, CASE WHEN a.delay > 0 THEN 1 ELSE 2 END,
    CASE WHEN a.delay > 0 THEN 0 ELSE (1000 - a.priority) << 48 END + moment + a.delay,
    moment + a.expires_in, a.priority, moment + a.delay, moment, moment + a.expires_in, 0, false, a.once, a.body, a.payload
  FROM (
    SELECT u.*, numbers[5 * u.n - 4] AS priority, numbers[5 * u.n - 3] AS delay, nullif(numbers[5 * u.n - 2], -1) AS expires_in,
      numbers[5 * u.n - 1] = 1 AS once
    FROM unnest(ids, bodies, payloads) WITH ORDINALITY AS u (id, body, payload, n)
  ) AS a
$$;

-- Jobs without unique keys, `delayed` of them for later. Gives the ids of those it made, or null when it made them all. They come
-- and are written in the order of their ids, as every other step locks them, so that two batches with the same ids cannot wait for
-- each other.
CREATE FUNCTION :schema.insert_jobs(
  clock bigint, queue_name text, delayed bigint, numbers bigint[], ids text[], bodies bytea[], payloads bytea[]
) RETURNS text[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  moment bigint := :schema.moment(clock);
  number int := :schema.queue_number(queue_name);
  made bigint := cardinality(ids);
BEGIN
  IF made = 1 THEN
    INSERT INTO :schema.jobs (queue, id, phase, rank, wake_at, priority, ready_at, created_at, expires_at, generation, stop, once,
      body, payload)
    SELECT * FROM :schema.asked_jobs(moment, number, numbers, ids, bodies, payloads)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
  ELSE
    BEGIN
      -- Being ready for a conflict costs half as much again, row by row, and ids are mostly new.
      INSERT INTO :schema.jobs (queue, id, phase, rank, wake_at, priority, ready_at, created_at, expires_at, generation, stop, once,
        body, payload)
      SELECT * FROM :schema.asked_jobs(moment, number, numbers, ids, bodies, payloads);
    EXCEPTION WHEN unique_violation THEN
      RETURN :schema.insert_new(moment, number, numbers, ids, bodies, payloads);
    END;
  END IF;
  INSERT INTO :schema.deltas (queue, at, lowest, scheduled, ready, total_enqueued, total_duplicates)
    VALUES (number, :schema.moment(NULL), (
      SELECT min(told.rank) FROM :schema.asked_jobs(moment, number, numbers, ids, bodies, payloads) AS told WHERE told.phase = 2
    ), least(made, delayed), made - least(made, delayed), made, cardinality(ids) - made);
  RETURN CASE WHEN made = cardinality(ids) THEN NULL ELSE ARRAY[]::text[] END;
END
$$;

-- The same as a transaction of its own, and a hint at them after it where somebody listens (`link.py` on hints): in one round trip.
CREATE PROCEDURE :schema.enqueue_jobs(
  clock bigint, queue_name text, delayed bigint, numbers bigint[], ids text[], bodies bytea[], payloads bytea[],
  channel text, key bigint, INOUT made text[]
) LANGUAGE plpgsql AS $$
BEGIN
  made := :schema.insert_jobs(clock, queue_name, delayed, numbers, ids, bodies, payloads);
  IF pg_try_advisory_lock(key) THEN
    PERFORM pg_advisory_unlock(key);
  ELSE
    COMMIT;
    IF NOT pg_try_advisory_xact_lock(key) AND pg_try_advisory_xact_lock(key # 1) THEN
      PERFORM pg_notify(channel, '');
    END IF;
  END IF;
END
$$;

-- Those of some jobs that are not there yet. Gives their ids.
CREATE FUNCTION :schema.insert_new(
  moment bigint, number int, numbers bigint[], ids text[], bodies bytea[], payloads bytea[]
) RETURNS text[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  made_ids text[];
BEGIN
  WITH made AS (
    INSERT INTO :schema.jobs (queue, id, phase, rank, wake_at, priority, ready_at, created_at, expires_at, generation, stop, once,
      body, payload)
    SELECT * FROM :schema.asked_jobs(moment, number, numbers, ids, bodies, payloads)
    ON CONFLICT DO NOTHING
    RETURNING id, phase, rank
  ), counted AS (
    INSERT INTO :schema.deltas (queue, at, lowest, scheduled, ready, total_enqueued, total_duplicates)
    SELECT number, :schema.moment(NULL), min(rank) FILTER (WHERE phase = 2), count(*) FILTER (WHERE phase = 1), count(*) FILTER (WHERE phase = 2), count(*),
      cardinality(ids) - count(*)
    FROM made
  )
  SELECT array_agg(id) INTO made_ids FROM made;
  RETURN coalesce(made_ids, '{}');
END
$$;

-- Locks the keys of a batch in the order of their names, before the first is judged: those that nobody has are made, ended.
CREATE FUNCTION :schema.lock_keys(number int, names text[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO :schema.keys (queue, name, job, until, fingerprint)
  SELECT number, wanted.name, '', 0, '' FROM (SELECT DISTINCT unnest(names) COLLATE "C" AS name) AS wanted
  WHERE wanted.name IS NOT NULL
  ORDER BY wanted.name
  ON CONFLICT DO NOTHING;
  PERFORM FROM :schema.keys WHERE queue = number AND name = ANY (names) ORDER BY name FOR UPDATE;
END
$$;

CREATE FUNCTION :schema.take_key(number int, key_name text, holder text, ends bigint, print text) RETURNS void LANGUAGE sql AS $$
  UPDATE :schema.keys SET job = holder, until = ends, fingerprint = print, outcome = NULL
  WHERE queue = number AND name = key_name
$$;

-- What a job's id and keys say against it: nothing, or a row. The keys are locked.
CREATE FUNCTION :schema.judge(moment bigint, number int, new_id text, dedup text, idempotency text, print text)
RETURNS TABLE (status text, holder text, outcome bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT 'duplicate', new_id, NULL::bytea FROM :schema.jobs WHERE id = new_id AND queue = number;
  IF NOT FOUND AND dedup IS NOT NULL THEN
    RETURN QUERY SELECT 'duplicate', job, NULL::bytea FROM :schema.keys
      WHERE queue = number AND name = dedup AND coalesce(until > moment, true);
  END IF;
  IF NOT FOUND AND idempotency IS NOT NULL THEN
    RETURN QUERY
      SELECT CASE WHEN fingerprint <> print THEN 'mismatch' WHEN k.outcome IS NULL THEN 'duplicate' ELSE 'replayed' END,
        job, CASE WHEN fingerprint = print THEN k.outcome END
      FROM :schema.keys AS k WHERE queue = number AND name = idempotency AND coalesce(until > moment, true);
  END IF;
END
$$;

-- Jobs with unique keys, judged one after the other; what became of each.
CREATE FUNCTION :schema.insert_keyed(
  clock bigint, queue_name text, numbers bigint[], ids text[], bodies bytea[], payloads bytea[],
  dedups text[], idempotencies text[], prints text[]
) RETURNS TABLE (status text, holder text, outcome bytea) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  moment bigint;
  number int := :schema.queue_number(queue_name);
  asked record;
  refused int := 0;
  delay bigint;
  ttl bigint;
BEGIN
  PERFORM :schema.lock_keys(number, dedups || idempotencies);
  moment := :schema.moment(clock);  -- only now: waiting for a key must not make what is stored under it look older
  FOR asked IN
    SELECT a.* FROM unnest(ids, bodies, payloads, dedups, idempotencies, prints) WITH ORDINALITY
      AS a (id, body, payload, dedup, idempotency, print, n) ORDER BY n
  LOOP
    SELECT j.status, j.holder, j.outcome INTO status, holder, outcome
      FROM :schema.judge(moment, number, asked.id, asked.dedup, asked.idempotency, asked.print) AS j;
    IF status IS NOT NULL THEN
      refused := refused + (status <> 'mismatch')::int;
    ELSIF :schema.insert_jobs(clock, queue_name, (numbers[5 * asked.n - 3] > 0)::int, numbers[5 * asked.n - 4 : 5 * asked.n],
        ARRAY[asked.id], ARRAY[asked.body], ARRAY[asked.payload]) IS NOT NULL THEN
      status := 'duplicate';  -- somebody made a job of this id since it was looked for
      holder := asked.id;
    ELSE
      ttl := nullif(numbers[5 * asked.n], -1);
      PERFORM :schema.take_key(number, asked.dedup, asked.id, moment + ttl, '') WHERE asked.dedup IS NOT NULL;
      PERFORM :schema.take_key(number, asked.idempotency, asked.id, NULL, asked.print) WHERE asked.idempotency IS NOT NULL;
      status := 'created';
      holder := asked.id;
    END IF;
    RETURN NEXT;
  END LOOP;
  IF refused > 0 THEN
    INSERT INTO :schema.deltas (queue, at, total_duplicates) VALUES (number, :schema.moment(NULL), refused);
  END IF;
END
$$;
