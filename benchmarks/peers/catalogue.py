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
    def environment(self) -> str:
        """The name of the environment it runs in; rows of one adapter share it."""
        return self.adapter.partition("_adapter.")[0]

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
    Peer(
        "blitzq",
        REDIS,
        "blitzq_adapter.py",
        ("blitzq", "redis[hiredis]"),
        "lease of 60 s on a stream, renewed",
        "no",
        "pool of 2, reliable mode, async tasks, 200 at a time each, no results",
        (3, 12),
    ),
    Peer(
        "blitzq-fast",
        REDIS,
        "blitzq_adapter.py",
        ("blitzq", "redis[hiredis]"),
        "pop",
        "no",
        "pool of 2, fast mode (at most once), async tasks, 200 at a time each, no results",
        (3, 12),
    ),
    Peer(
        "ardiq",
        REDIS,
        "ardiq_adapter.py",
        ("ardiq",),
        "lease of a minute on a stream, renewed",
        "no",
        "pool of 2, async tasks, 100 at a time each",
        (3, 12),
    ),
    Peer(
        "taskiq",
        REDIS,
        "taskiq_adapter.py",
        ("taskiq", "taskiq-redis", "redis[hiredis]", "uvloop"),
        "pending on a stream, claimed by others after 10 minutes",
        "no",
        "pool of 2 on RedisStreamBroker, async tasks, uvloop, --no-parse",
    ),
    Peer(
        "saq",
        REDIS,
        "saq_adapter.py",
        ("saq[redis,hiredis]", "typing_extensions"),
        "list of active jobs, swept every 60 s when the timeout of the job has passed",
        "no",
        "pool of 2, 10 at a time each, 2 tries",
    ),
    Peer(
        "streaq",
        REDIS,
        "streaq_adapter.py",
        ("streaq",),
        "lease of 60 s on a stream, renewed",
        "no",
        "2 workers, 100 at a time each, no results",
    ),
    Peer(
        "arq",
        REDIS,
        "arq_adapter.py",
        ("arq", "redis[hiredis]"),
        "key that expires 10 s after the timeout of the job",
        "no",
        "2 workers, 100 at a time each, poll_delay 0.1 s, no results",
    ),
    Peer(
        "awa",
        POSTGRES,
        "awa_adapter.py",
        ("awa-pg",),
        "lease with heartbeats",
        "yes",
        "2 clients with 100 workers each",
    ),
    Peer(
        "oban",
        POSTGRES,
        "oban_adapter.py",
        ("oban",),
        "row that is executing, rescued after 5 minutes",
        "yes",
        "2 nodes, 100 at a time each",
        (3, 12),
    ),
    Peer(
        "graphile-worker",
        POSTGRES,
        "graphile_adapter.cjs",
        ("graphile-worker",),
        "row locked for 4 hours",
        "no",
        "2 runners, 24 at a time each, localQueue of 500, completions in batches",
    ),
    Peer(
        "beanstalkd",
        BEANSTALKD,
        "beanstalkd_adapter.py",
        ("greenstalk",),
        "reservation that ends with the connection, or after 60 s",
        "yes",
        "2 loops of reserve and delete, greenstalk",
    ),
)
