-- The history of jobs. One row an event, one partition a month: partition by partition it is dropped when its time is over.
-- "{schema}" stands for the schema of your choice; this file may be applied by hand, then the hook needs no right to create one.

CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE IF NOT EXISTS {schema}.event (
    at        timestamptz NOT NULL,             -- the store's time of the transition
    id        text        NOT NULL COLLATE "C", -- of the event; the same when a batch is sent again
    namespace text        NOT NULL COLLATE "C",
    event     text        NOT NULL COLLATE "C",
    queue     text        NOT NULL COLLATE "C",
    job       text        NOT NULL COLLATE "C",
    attempt   integer     NOT NULL,
    worker    text,
    reason    text,
    error     text,
    payload   text,                             -- JSON; only when the hook is told to keep it
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE INDEX IF NOT EXISTS event_job ON {schema}.event (job, at);
CREATE INDEX IF NOT EXISTS event_queue ON {schema}.event (namespace, queue, at);
