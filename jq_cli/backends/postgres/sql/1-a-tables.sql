-- Version 1: the tables. `:schema` stands for the schema of one namespace. Times are ms since the Unix epoch.

-- `compatible`: the oldest version of the schema whose programs can still work with this one.
CREATE TABLE :schema.meta (
  version    int NOT NULL,
  compatible int NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);

-- One row for each queue ever used or controlled. How many jobs it has in each phase and its totals are these numbers plus those
-- of its `deltas` with `at` > `folded_at`. Claims read it without a lock; the maintenance tick and operators write it, and a claim
-- that walked past many dead rows.
--
-- `ready_from`: no ready job has a rank below this and below the `lowest` of those deltas. Null where claims begin at the
-- beginning, as they do while vacuum can clear up. `finished_from` and `earliest` are the same for finished jobs and those who trim them.
CREATE TABLE :schema.queues (
  number         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name           text COLLATE "C" NOT NULL UNIQUE,
  paused         bool NOT NULL DEFAULT false,
  paused_reason  text NOT NULL DEFAULT '',
  paused_by      text NOT NULL DEFAULT '',
  paused_until   bigint,
  max_running    bigint NOT NULL DEFAULT 0,
  folded_at      bigint NOT NULL DEFAULT 0,
  ready_from     bigint,
  finished_from  bigint,
  scheduled      bigint NOT NULL DEFAULT 0,
  ready          bigint NOT NULL DEFAULT 0,
  running        bigint NOT NULL DEFAULT 0,
  succeeded      bigint NOT NULL DEFAULT 0,
  cancelled      bigint NOT NULL DEFAULT 0,
  succeeded_kept bigint NOT NULL DEFAULT 0,
  cancelled_kept bigint NOT NULL DEFAULT 0,
  dead           bigint NOT NULL DEFAULT 0,
  total_enqueued   bigint NOT NULL DEFAULT 0,
  total_succeeded  bigint NOT NULL DEFAULT 0,
  total_failed     bigint NOT NULL DEFAULT 0,
  total_dead       bigint NOT NULL DEFAULT 0,
  total_recovered  bigint NOT NULL DEFAULT 0,
  total_duplicates bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

-- What steps did to the numbers of a queue: one row a step, so that no two steps wait for each other. The tick folds them into
-- `queues`. `at` is by the server's clock even where tests bring another one.
CREATE TABLE :schema.deltas (
  queue          int NOT NULL,
  at             bigint NOT NULL,
  lowest         bigint,          -- the least rank of the jobs it made ready
  earliest       bigint,          -- the least rank of the jobs that it finished and that are not kept by a retention of their own
  scheduled      int NOT NULL DEFAULT 0,
  ready          int NOT NULL DEFAULT 0,
  running        int NOT NULL DEFAULT 0,
  succeeded      int NOT NULL DEFAULT 0,
  cancelled      int NOT NULL DEFAULT 0,
  succeeded_kept int NOT NULL DEFAULT 0,
  cancelled_kept int NOT NULL DEFAULT 0,
  dead           int NOT NULL DEFAULT 0,
  total_enqueued   int NOT NULL DEFAULT 0,
  total_succeeded  int NOT NULL DEFAULT 0,
  total_failed     int NOT NULL DEFAULT 0,
  total_dead       int NOT NULL DEFAULT 0,
  total_recovered  int NOT NULL DEFAULT 0,
  total_duplicates int NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX delta_by_moment ON :schema.deltas (queue, at);

-- phase  1 scheduled, 2 ready, 3 running, 4 succeeded, 5 cancelled, 6 and 7 the same but kept by a retention of their own,
--        outside the count of finished jobs that a queue keeps, 8 dead
-- rank   the place within the phase, ties go by id: scheduled by ready_at, ready by (1000 - priority) << 48 | ready_at,
--        running by the end of the lease, finished ones by the moment they finished
-- All indexes but the first are partial: a job stands only in those of its phase, so a claim never looks past jobs that wait or
-- are done.
CREATE TABLE :schema.jobs (
  queue      int NOT NULL,
  generation int NOT NULL,
  rank       bigint NOT NULL,
  ready_at   bigint NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint,
  started_at bigint,
  wake_at    bigint,              -- waiting: expires_at; finished: when retention ends; running: null, its rank says it
  phase      smallint NOT NULL,
  priority   smallint NOT NULL,
  stop       bool NOT NULL,
  once       bool NOT NULL,       -- delivery: at most once
  id         text COLLATE "C" NOT NULL,
  owner      text,
  token      text,
  version    text,                -- null: the token while there is one, else the id
  body       bytea NOT NULL,      -- the rest of the record, JSON
  payload    bytea NOT NULL,      -- JSON as the producer sent it
  output     bytea,               -- captured output and progress, JSON
  PRIMARY KEY (id, queue)
) WITH (
  fillfactor = 50,  -- a job that moves finds room on its own page: a third less to log (measured: 1,617 to 1,131 bytes a life cycle)
  autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_threshold = 50000, autovacuum_analyze_scale_factor = 0.1
);
CREATE INDEX job_scheduled ON :schema.jobs (queue, rank, id) WHERE phase = 1;
CREATE INDEX job_ready ON :schema.jobs (queue, rank, id) WHERE phase = 2;
CREATE INDEX job_ready_once ON :schema.jobs (queue, rank, id) WHERE phase = 2 AND once;
CREATE INDEX job_running ON :schema.jobs (queue, rank, id) WHERE phase = 3;
CREATE INDEX job_finished ON :schema.jobs (queue, phase, rank, id) WHERE phase > 3;
CREATE INDEX job_wake ON :schema.jobs (wake_at, id) WHERE wake_at IS NOT NULL;

-- Unique keys: `dedup:` or `idempotency:` and the producer's text. `until` null: until its job ends.
CREATE TABLE :schema.keys (
  queue       int NOT NULL,
  name        text COLLATE "C" NOT NULL,
  job         text NOT NULL,
  until       bigint,
  fingerprint text NOT NULL,
  outcome     bytea,
  PRIMARY KEY (queue, name)
);
CREATE INDEX key_by_end ON :schema.keys (until) WHERE until IS NOT NULL;

CREATE TABLE :schema.notes (
  key   text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
) WITH (fillfactor = 50);

-- For people with psql; the program does not use it.
CREATE VIEW :schema.readable_jobs AS
SELECT
  queues.name AS queue,
  jobs.id,
  (ARRAY['scheduled', 'ready', 'running', 'succeeded', 'cancelled', 'succeeded', 'cancelled', 'dead'])[phase] AS state,
  jobs.priority,
  to_timestamp(jobs.ready_at / 1000.0) AS ready_at,
  to_timestamp(jobs.started_at / 1000.0) AS started_at,
  CASE WHEN jobs.phase > 3 THEN to_timestamp(jobs.rank / 1000.0) END AS finished_at,
  jobs.generation,
  jobs.owner,
  convert_from(jobs.payload, 'UTF8') AS payload,
  convert_from(jobs.body, 'UTF8') AS body
FROM :schema.jobs
JOIN :schema.queues ON queues.number = jobs.queue;

-- The store's clock: the caller's where tests bring one.
CREATE FUNCTION :schema.moment(clock bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(clock, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
$$;

-- A step may end long after it wrote its row: it waited, or it is part of a caller's transaction. Others then look for rows of a later
-- `at`, so it says at its end once more from where on claims must look.
CREATE FUNCTION :schema.tell_lowest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF :schema.moment(NULL) > NEW.at + 2000 THEN
    INSERT INTO :schema.deltas (queue, at, lowest) VALUES (NEW.queue, :schema.moment(NULL), NEW.lowest);
  END IF;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER tell_lowest AFTER INSERT ON :schema.deltas DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.lowest IS NOT NULL) EXECUTE FUNCTION :schema.tell_lowest();

-- The number of a queue, which exists from now on.
CREATE FUNCTION :schema.queue_number(queue_name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  found_number int;
BEGIN
  LOOP
    SELECT number INTO found_number FROM :schema.queues WHERE name = queue_name;
    IF found_number IS NOT NULL THEN
      RETURN found_number;
    END IF;
    INSERT INTO :schema.queues (name) VALUES (queue_name) ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;
