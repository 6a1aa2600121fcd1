"""The peers: what each needs, and what it promises about a job whose worker dies. The rows of the tables come in this order."""

from dataclasses import dataclass

REDIS, POSTGRES, SQLITE, BEANSTALKD = "Redis", "Postgres", "SQLite", "beanstalkd"


@dataclass(frozen=True)
class Peer:
    """One row. `requirements` are for pip, or for npm when the adapter is for Node; none: it runs in this environment.

    `holds`: how a worker has a job: a *lease* ends by itself, a *pop* takes it out of the store, an *ack* list or row remembers
    who has it. `fenced`: whether a worker that lost a job can still settle it. `how`: the settings measured.
    """

    name: str
    store: str
    adapter: str
    requirements: tuple[str, ...]
    holds: str
    fenced: str
    how: str
    python: tuple[int, int] = (3, 11)

    @property
    def node(self) -> bool:
        """Whether its adapter is run by Node."""
        return self.adapter.endswith(".cjs")

    @property
    def ours(self) -> bool:
        """Whether it is this project."""
        return not self.requirements


_LEASE = "lease, extended by heartbeats; a dead child's job at once"
_OURS = "jq work -p 2, one process for each job at a time"

PEERS = (
    Peer("jq", REDIS, "jq_adapter.py", (), _LEASE, "yes", _OURS),
    Peer("jq", POSTGRES, "jq_adapter.py", (), _LEASE, "yes", _OURS),
    Peer("jq", SQLITE, "jq_adapter.py", (), _LEASE, "yes", _OURS + ", synchronous=FULL"),
    Peer(
        "rq",
        REDIS,
        "rq_adapter.py",
        ("rq", "redis[hiredis]"),
        "pop into a list of started jobs; a dead worker's job is put with the failed",
        "no",
        "worker-pool of 2 SimpleWorkers (no fork for each job), no results",
    ),
    Peer(
        "dramatiq",
        REDIS,
        "dramatiq_adapter.py",
        ("dramatiq[redis]", "redis[hiredis]"),
        "ack list of each worker; requeued a minute after its last heartbeat, when others look",
        "no",
        "2 processes with 8 threads each, no results",
    ),
    Peer(
        "huey", REDIS, "huey_adapter.py", ("huey", "redis[hiredis]"), "pop", "no", "consumer of 2 processes, no results"
    ),
    Peer(
        "celery",
        REDIS,
        "celery_adapter.py",
        ("celery[redis]", "redis[hiredis]"),
        "ack list; lost children requeue, lost workers after the visibility timeout (an hour)",
        "no",
        "prefork pool of 2, acks_late, reject_on_worker_lost, prefetch 128, no results",
    ),
    Peer(
        "bullmq",
        REDIS,
        "bullmq_adapter.cjs",
        ("bullmq", "ioredis"),
        "lease of 30 s, renewed; looked for every 30 s",
        "yes",
        "2 processes with 100 jobs at a time each, finished jobs removed",
    ),
    Peer(
        "pgqueuer",
        POSTGRES,
        "pgqueuer_adapter.py",
        ("pgqueuer[asyncpg]", "asyncpg", "uvloop"),
        "row that is picked, with heartbeats; picked again 30 s after the last",
        "no",
        "2 managers from a script, batch_size 500, asyncpg, uvloop",
    ),
    Peer(
        "procrastinate",
        POSTGRES,
        "procrastinate_adapter.py",
        ("procrastinate", "psycopg[binary,pool]"),
        "row that is picked; the application looks for stalled ones itself",
        "no",
        "2 workers with 8 jobs at a time each, delete_jobs=successful",
    ),
)
