-- Version 1 of the database. Times are ms since the Unix epoch.

CREATE TABLE namespaces (
  number INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE
);

-- One row for each queue ever used or controlled. The counts of its jobs by phase are kept in the transactions that move
-- the jobs, so that counting costs nothing however many there are.
CREATE TABLE queues (
  number         INTEGER PRIMARY KEY,
  space          INTEGER NOT NULL REFERENCES namespaces (number),
  name           TEXT NOT NULL,
  controls       BLOB NOT NULL DEFAULT x'7B7D',  -- what an operator set, JSON
  scheduled      INTEGER NOT NULL DEFAULT 0,
  ready          INTEGER NOT NULL DEFAULT 0,
  running        INTEGER NOT NULL DEFAULT 0,
  succeeded      INTEGER NOT NULL DEFAULT 0,
  cancelled      INTEGER NOT NULL DEFAULT 0,
  succeeded_kept INTEGER NOT NULL DEFAULT 0,
  cancelled_kept INTEGER NOT NULL DEFAULT 0,
  dead           INTEGER NOT NULL DEFAULT 0,
  UNIQUE (space, name)
);

CREATE TABLE totals (
  queue INTEGER NOT NULL REFERENCES queues (number),
  name  TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (queue, name)
) WITHOUT ROWID;

-- phase  1 scheduled, 2 ready, 3 running, 4 succeeded, 5 cancelled, 6 and 7 the same but kept by a retention of their own,
--        outside the count of finished jobs that a queue keeps, 8 dead
-- rank   the place within the phase, ties go by id: scheduled by ready_at, ready by (1000 - priority) << 48 | ready_at,
--        running by the end of the lease, finished ones by the moment they finished
CREATE TABLE jobs (
  serial     INTEGER PRIMARY KEY,
  space      INTEGER NOT NULL,
  queue      INTEGER NOT NULL REFERENCES queues (number),
  id         TEXT NOT NULL,
  phase      INTEGER NOT NULL,
  rank       INTEGER NOT NULL,
  wake_at    INTEGER,            -- waiting: expires_at; finished: when retention ends; running: null, its rank says it
  priority   INTEGER NOT NULL,
  ready_at   INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  started_at INTEGER,
  generation INTEGER NOT NULL,
  stop       INTEGER NOT NULL,
  aside      INTEGER NOT NULL,   -- 1: the payload is in `payloads`, 2: there is a row in `outputs`
  owner      TEXT,
  token      TEXT,
  version    TEXT,               -- null: the token while there is one, else the id
  body       BLOB NOT NULL,      -- the rest of the record, JSON
  payload    BLOB                -- JSON as the producer sent it; large ones lie aside, so that moving a job does not copy them
);
CREATE UNIQUE INDEX job_by_id ON jobs (queue, id);
CREATE INDEX job_by_place ON jobs (queue, phase, rank, id);
CREATE INDEX job_by_wake ON jobs (space, wake_at, id) WHERE wake_at IS NOT NULL;

CREATE TABLE payloads (
  serial INTEGER PRIMARY KEY,
  data   BLOB NOT NULL
);

-- Captured output and progress of a job, JSON.
CREATE TABLE outputs (
  serial INTEGER PRIMARY KEY,
  data   BLOB NOT NULL
);

CREATE TRIGGER job_takes_along_what_lies_aside AFTER DELETE ON jobs WHEN old.aside BEGIN
  DELETE FROM payloads WHERE serial = old.serial;
  DELETE FROM outputs WHERE serial = old.serial;
END;

-- Unique keys: `dedup:` or `idempotency:` and the producer's text. `until` null: until its job ends.
CREATE TABLE keys (
  queue       INTEGER NOT NULL REFERENCES queues (number),
  name        TEXT NOT NULL,
  space       INTEGER NOT NULL,
  job         TEXT NOT NULL,
  until       INTEGER,
  fingerprint TEXT NOT NULL,
  outcome     BLOB,
  PRIMARY KEY (queue, name)
) WITHOUT ROWID;
CREATE INDEX key_by_end ON keys (space, until) WHERE until IS NOT NULL;

CREATE TABLE notes (
  space INTEGER NOT NULL,
  key   TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (space, key)
) WITHOUT ROWID;

-- For people with a SQLite shell; the program does not use it.
CREATE VIEW readable_jobs AS
SELECT
  namespaces.name AS namespace,
  queues.name AS queue,
  jobs.id,
  CASE phase WHEN 1 THEN 'scheduled' WHEN 2 THEN 'ready' WHEN 3 THEN 'running' WHEN 4 THEN 'succeeded' WHEN 5 THEN 'cancelled'
    WHEN 6 THEN 'succeeded' WHEN 7 THEN 'cancelled' ELSE 'dead' END AS state,
  priority,
  datetime(ready_at / 1000, 'unixepoch') AS ready_at,
  datetime(started_at / 1000, 'unixepoch') AS started_at,
  CASE WHEN phase > 3 THEN datetime(rank / 1000, 'unixepoch') END AS finished_at,
  generation,
  owner,
  CAST(CASE WHEN aside & 1 THEN (SELECT data FROM payloads WHERE payloads.serial = jobs.serial) ELSE payload END AS TEXT) AS payload,
  CAST(body AS TEXT) AS body
FROM jobs
JOIN queues ON queues.number = jobs.queue
JOIN namespaces ON namespaces.number = jobs.space;
