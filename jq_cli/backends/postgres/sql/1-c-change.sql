-- Version 1: changes of jobs, and what else happens with them: keys, totals, and the trimming of finished jobs.

-- The arguments of `change_jobs` as rows, with the places of the new rows. Changes that are alike but for their jobs' ids and times
-- travel as one run: `numbers` holds 14 for each run: the queue as a number into `queues`, phase, the end of the lease or of the job,
-- delay, keep, priority, how many changes came before, how many these are, expires_at, started_at, generation, stop, at most once,
-- totals as bits; -1 stands for none. `times` holds ready_at and created_at of each change.
CREATE FUNCTION :schema.asked_changes(
  moment bigint, queues int[], numbers bigint[], times bigint[], ids text[], expects text[], marks text[], bodies bytea[],
  outputs bytea[], owners text[], tokens text[]
) RETURNS TABLE (
  n bigint, run bigint, queue int, id text, expect text, mark text, phase bigint, rank bigint, wake_at bigint, priority bigint,
  ready_at bigint, created_at bigint, expires_at bigint, started_at bigint, generation bigint, stop bool, once bool,
  totals bigint, owner text, token text, body bytea, output bytea
) LANGUAGE sql IMMUTABLE AS $$
  SELECT
    placed.n, placed.run, placed.queue, placed.id, placed.expect, placed.mark, placed.phase, placed.rank,
    CASE WHEN placed.phase < 3 THEN placed.expires_at WHEN placed.phase > 3 THEN placed.rank + placed.keep END,
    placed.priority, placed.ready_at, times[2 * placed.n], placed.expires_at, placed.started_at,
    placed.generation, placed.stop, placed.once, placed.totals, placed.owner, placed.token, placed.body, placed.output
  FROM (
    SELECT *, CASE timed.phase
      WHEN 1 THEN timed.ready_at
      WHEN 2 THEN ((1000 - timed.priority) << 48) + timed.ready_at
      WHEN 3 THEN timed.ends
      ELSE coalesce(timed.ends, moment) END AS rank
    FROM (
      SELECT r.*, r.start + w.place AS n, w.id, coalesce(moment + r.delay, times[2 * (r.start + w.place) - 1]) AS ready_at
      FROM (
        SELECT a.*, queues[numbers[b + 1]] AS queue, numbers[b + 2] AS phase, nullif(numbers[b + 3], -1) AS ends,
          nullif(numbers[b + 4], -1) AS delay, nullif(numbers[b + 5], -1) AS keep, numbers[b + 6] AS priority,
          numbers[b + 7] AS start, numbers[b + 8] AS size, nullif(numbers[b + 9], -1) AS expires_at,
          nullif(numbers[b + 10], -1) AS started_at, numbers[b + 11] AS generation, numbers[b + 12] = 1 AS stop,
          numbers[b + 13] = 1 AS once, numbers[b + 14] AS totals
        FROM (
          SELECT u.*, 14 * (u.run - 1) AS b
          FROM unnest(expects, marks, bodies, outputs, owners, tokens) WITH ORDINALITY
            AS u (expect, mark, body, output, owner, token, run)
        ) AS a OFFSET 0
      ) AS r
      CROSS JOIN LATERAL unnest(ids[r.start + 1 : r.start + r.size]) WITH ORDINALITY AS w (id, place)
    ) AS timed
  ) AS placed
  -- Always true. It makes the planner expect one row, so that it begins with these rows and looks each job up, also where it plans
  -- while the table of jobs is still small and believes that walking that is as cheap.
  WHERE placed.n * 0 = 0
$$;

-- Applies changes, in the order of their ids. `kinds`: for each run, 1 when they are fenced and write a row, 2 when they are fenced and
-- remove it, 3 and 4 the same when they compare the version. Gives the numbers of the applied ones, those of the ones found
-- written before negated. `key_*`: what happens to unique keys with the change `key_of`. `caps`: for each run, how many finished
-- jobs its queue keeps, -1 for what there is.
CREATE FUNCTION :schema.change_jobs(
  clock bigint, queue_names text[], caps bigint[], kinds bigint[], numbers bigint[], times bigint[], ids text[], expects text[],
  marks text[],
  bodies bytea[], payloads bytea[], outputs bytea[], owners text[], tokens text[],
  key_of bigint[], key_queues bigint[], key_names text[],
  key_outcomes bytea[], key_ttls bigint[]
) RETURNS bigint[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  moment bigint := :schema.moment(clock);
  known int[];
  applied bigint[];
  already bigint[];
BEGIN
  SELECT array_agg(number ORDER BY n) INTO known
    FROM unnest(queue_names) WITH ORDINALITY AS named (name, n) LEFT JOIN :schema.queues USING (name);
  IF kinds IS NULL THEN
    -- All are fenced and write a row: nothing needs to be looked at first. `phase + 0` keeps the planner from walking the index
    -- of all running jobs.
    WITH done AS (
      UPDATE :schema.jobs AS j SET
        phase = c.phase, rank = c.rank, wake_at = c.wake_at, priority = c.priority, ready_at = c.ready_at,
        created_at = c.created_at, expires_at = c.expires_at, started_at = c.started_at, generation = c.generation,
        stop = (j.stop OR c.stop) AND c.phase <= 3, once = c.once, owner = c.owner, token = c.token, version = c.mark,
        body = c.body, output = coalesce(c.output, j.output)
      FROM :schema.asked_changes(moment, known, numbers, times, ids, expects, marks, bodies, outputs, owners, tokens) AS c
      WHERE j.id = c.id AND j.queue = c.queue AND j.phase + 0 = 3 AND j.token = c.expect AND coalesce(j.version, j.token) <> c.mark
      RETURNING c.n, j.queue, c.phase, c.rank, c.totals
    ), counted AS (
      INSERT INTO :schema.deltas (queue, at, lowest, earliest, running, scheduled, ready, succeeded, cancelled, succeeded_kept, cancelled_kept, dead,
        total_enqueued, total_succeeded, total_failed, total_dead, total_recovered, total_duplicates)
      SELECT queue, :schema.moment(NULL), min(rank) FILTER (WHERE phase = 2), min(rank) FILTER (WHERE phase IN (4, 5)),
        count(*) FILTER (WHERE phase = 3) - count(*), count(*) FILTER (WHERE phase = 1), count(*) FILTER (WHERE phase = 2), count(*) FILTER (WHERE phase = 4), count(*) FILTER (WHERE phase = 5),
        count(*) FILTER (WHERE phase = 6), count(*) FILTER (WHERE phase = 7), count(*) FILTER (WHERE phase = 8),
        sum(totals & 1), sum(totals >> 1 & 1), sum(totals >> 2 & 1), sum(totals >> 3 & 1), sum(totals >> 4 & 1), sum(totals >> 5 & 1)
      FROM done GROUP BY queue
    )
    SELECT array_agg(n) INTO applied FROM done;
    IF coalesce(cardinality(applied), 0) < cardinality(ids) THEN
      SELECT array_agg(c.n) INTO already
        FROM :schema.asked_changes(moment, known, numbers, times, ids, expects, marks, bodies, outputs, owners, tokens) AS c
        JOIN :schema.jobs AS j ON j.id = c.id AND j.queue = c.queue
        WHERE coalesce(j.version, j.token, j.id) = c.mark AND c.n <> ALL (coalesce(applied, '{}'));
    END IF;
  ELSE
    SELECT w.applied, w.already INTO applied, already FROM :schema.change_watchfully(
      moment, known, kinds, numbers, times, ids, expects, marks, bodies, payloads, outputs, owners, tokens) AS w;
  END IF;
  IF applied IS NOT NULL THEN
    PERFORM :schema.change_keys(moment, known, ids, applied, key_of, key_queues, key_names, key_outcomes, key_ttls)
      WHERE key_of IS NOT NULL;
    PERFORM :schema.trim_finished(told.queue, told.cap) FROM (
      SELECT known[numbers[14 * run - 13]] AS queue, min(caps[run]) AS cap FROM generate_subscripts(caps, 1) AS run
      WHERE caps[run] >= 0 AND (cardinality(applied) = cardinality(ids) OR EXISTS (
        SELECT FROM unnest(applied) AS a (n) WHERE n > numbers[14 * run - 7] AND n <= numbers[14 * run - 7] + numbers[14 * run - 6]))
      GROUP BY 1
    ) AS told;
  END IF;
  RETURN coalesce(applied, '{}') || coalesce((SELECT array_agg(-n) FROM unnest(already) AS n), '{}');
END
$$;

-- Changes of any kind: the rows are locked and looked at before they are written.
CREATE FUNCTION :schema.change_watchfully(
  moment bigint, known int[], kinds bigint[], numbers bigint[], times bigint[], ids text[], expects text[],
  marks text[],
  bodies bytea[], payloads bytea[], outputs bytea[], owners text[], tokens text[],
  OUT applied bigint[], OUT already bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  phases bigint[];
  olds bigint[];
BEGIN
  SELECT array_agg(n) FILTER (WHERE good), array_agg(phase) FILTER (WHERE good), array_agg(n) FILTER (WHERE same)
  INTO applied, phases, already
  FROM (
    SELECT c.n, j.phase, coalesce(j.version, j.token, j.id) = c.mark AS same,
      coalesce(j.version, j.token, j.id) <> c.mark
        AND CASE WHEN kinds[c.run] <= 2 THEN j.phase = 3 AND coalesce(j.token = c.expect, false)
          ELSE coalesce(j.version, j.token, j.id) = c.expect END AS good
    FROM :schema.asked_changes(moment, known, numbers, times, ids, expects, marks, bodies, outputs, owners, tokens) AS c
    JOIN :schema.jobs AS j ON j.id = c.id AND j.queue = c.queue
    FOR UPDATE OF j
  ) AS seen;
  olds := array_fill(0::bigint, ARRAY[cardinality(ids)]);
  FOR place IN 1 .. coalesce(cardinality(applied), 0) LOOP
    olds[applied[place]] := phases[place];
  END LOOP;
  WITH asked AS (
    SELECT c.*, olds[c.n] AS old, payloads[c.n] AS payload, kinds[c.run] AS kind
    FROM :schema.asked_changes(moment, known, numbers, times, ids, expects, marks, bodies, outputs, owners, tokens) AS c
    WHERE olds[c.n] > 0
  ), written AS (
    UPDATE :schema.jobs AS j SET
      phase = c.phase, rank = c.rank, wake_at = c.wake_at, priority = c.priority, ready_at = c.ready_at,
      created_at = c.created_at, expires_at = c.expires_at, started_at = c.started_at, generation = c.generation,
      stop = (j.stop OR c.stop) AND c.phase <= 3, once = c.once, owner = c.owner, token = c.token, version = c.mark,
      body = c.body, payload = coalesce(c.payload, j.payload), output = coalesce(c.output, j.output)
    FROM asked AS c WHERE kind IN (1, 3) AND j.id = c.id AND j.queue = c.queue
  ), removed AS (
    DELETE FROM :schema.jobs AS j USING asked AS c WHERE kind IN (2, 4) AND j.id = c.id AND j.queue = c.queue
  ), moved AS (
    SELECT queue, old AS phase, -1 AS by, NULL::bigint AS rank, totals FROM asked
    UNION ALL SELECT queue, CASE WHEN kind IN (1, 3) THEN phase END, 1, rank, 0 FROM asked
  )
  INSERT INTO :schema.deltas (queue, at, lowest, earliest, scheduled, ready, running, succeeded, cancelled, succeeded_kept, cancelled_kept, dead,
    total_enqueued, total_succeeded, total_failed, total_dead, total_recovered, total_duplicates)
  SELECT queue, :schema.moment(NULL), min(rank) FILTER (WHERE phase = 2), min(rank) FILTER (WHERE by > 0 AND phase IN (4, 5)),
    coalesce(sum(by) FILTER (WHERE phase = 1), 0), coalesce(sum(by) FILTER (WHERE phase = 2), 0), coalesce(sum(by) FILTER (WHERE phase = 3), 0),
    coalesce(sum(by) FILTER (WHERE phase = 4), 0), coalesce(sum(by) FILTER (WHERE phase = 5), 0), coalesce(sum(by) FILTER (WHERE phase = 6), 0), coalesce(sum(by) FILTER (WHERE phase = 7), 0),
    coalesce(sum(by) FILTER (WHERE phase = 8), 0),
    sum(totals & 1), sum(totals >> 1 & 1), sum(totals >> 2 & 1), sum(totals >> 3 & 1), sum(totals >> 4 & 1), sum(totals >> 5 & 1)
  FROM moved GROUP BY queue;
  -- A row that is gone was removed: by whom, it does not say.
  SELECT array_cat(already, array_agg(c.n)) INTO already
  FROM :schema.asked_changes(moment, known, numbers, times, ids, expects, marks, bodies, outputs, owners, tokens) AS c
  WHERE kinds[c.run] IN (2, 4) AND c.n <> ALL (coalesce(applied, '{}'))
    AND NOT EXISTS (SELECT FROM :schema.jobs AS j WHERE j.id = c.id AND j.queue = c.queue);
END
$$;

-- Frees keys, or keeps outcomes under them, where they still belong to the changed jobs.
CREATE FUNCTION :schema.change_keys(
  moment bigint, known int[], ids text[], applied bigint[], key_of bigint[], key_queues bigint[], key_names text[],
  key_outcomes bytea[], key_ttls bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  asked record;
BEGIN
  FOR asked IN
    SELECT known[k.place] AS queue, k.name, k.outcome, k.ttl, ids[k.n] AS id
    FROM unnest(key_of, key_queues, key_names, key_outcomes, key_ttls) AS k (n, place, name, outcome, ttl)
    WHERE k.n = ANY (applied) ORDER BY 1, 2
  LOOP
    IF asked.outcome IS NULL THEN
      DELETE FROM :schema.keys
        WHERE queue = asked.queue AND name = asked.name AND coalesce(until > moment, true) AND job = asked.id;
    ELSE
      UPDATE :schema.keys SET outcome = asked.outcome, until = moment + asked.ttl
        WHERE queue = asked.queue AND name = asked.name AND coalesce(until > moment, true) AND job = asked.id;
    END IF;
  END LOOP;
END
$$;

-- Drops the oldest finished jobs of which a queue keeps only so many. In one statement, so that the number and the jobs are of one
-- moment; those that another step is dropping are left to it.
CREATE FUNCTION :schema.trim_finished(number int, cap bigint) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  WITH excess AS MATERIALIZED (
    SELECT least(10000, greatest(0, q.succeeded + q.cancelled - cap + coalesce(told.jobs, 0))) AS jobs,
      CASE WHEN q.finished_from IS NULL THEN 0 ELSE least(q.finished_from, told.earliest) END AS place
    FROM :schema.queues AS q CROSS JOIN LATERAL (
      SELECT sum(d.succeeded + d.cancelled) AS jobs, min(d.earliest) AS earliest
      FROM :schema.deltas AS d WHERE d.queue = q.number AND d.at > q.folded_at
    ) AS told
    WHERE q.number = trim_finished.number
  ), oldest AS MATERIALIZED (
    SELECT place FROM (
      (SELECT ctid AS place, id, rank FROM :schema.jobs WHERE queue = number AND phase = 4 AND rank >= (SELECT place FROM excess)
        ORDER BY rank, id LIMIT (SELECT jobs FROM excess))
      UNION ALL
      (SELECT ctid AS place, id, rank FROM :schema.jobs WHERE queue = number AND phase = 5 AND rank >= (SELECT place FROM excess)
        ORDER BY rank, id LIMIT (SELECT jobs FROM excess))
    ) AS both_phases ORDER BY rank, id LIMIT (SELECT jobs FROM excess)
  ), locked AS MATERIALIZED (
    SELECT j.ctid AS place FROM oldest AS o JOIN :schema.jobs AS j ON j.ctid = o.place FOR UPDATE OF j SKIP LOCKED
  ), gone AS (
    DELETE FROM :schema.jobs AS j USING locked AS l WHERE j.ctid = l.place RETURNING j.phase
  )
  INSERT INTO :schema.deltas (queue, at, succeeded, cancelled)
  SELECT number, :schema.moment(NULL), -count(*) FILTER (WHERE phase = 4), -count(*) FILTER (WHERE phase = 5)
  FROM gone HAVING count(*) > 0;
END
$$;
