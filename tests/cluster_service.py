"""A Redis Cluster: primaries of our own that share the slots, and a replica of each where one is wanted, all with a password."""

from types import TracebackType
from typing import Any

from jq_cli.backends.redis.slots import SLOTS, slot_of
from tests.sentinel_service import LOGIN, PASSWORD, until
from tests.servers import RedisServer, free_port


class ClusterService:
    """`servers` are the primaries at first, in the order of their slots, then the replicas, in the order of their primaries.
    `url` names the primaries. Use as a context manager."""

    def __init__(self, *, primaries: int = 3, replicas: bool = False, node_timeout: int = 15_000) -> None:
        self.servers: list[RedisServer] = []
        try:
            for _ in range(2 * primaries if replicas else primaries):
                self.servers.append(_node(node_timeout))
            self.primaries = self.servers[:primaries]
            self._join()
            for primary, replica in zip(self.primaries, self.servers[primaries:], strict=False):
                until(lambda one=replica, its=primary: self.ask(one, "CLUSTER", "REPLICATE", self.id(its)), "a replica")
            until(self._whole, "a whole cluster")
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Where the primaries are. Calls wait long: what they do is tested, not how soon on a busy machine."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.primaries)
        return f"redis+cluster://:{PASSWORD.replace(' ', '%20')}@{hosts}?timeout=60"

    def ask(self, server: RedisServer, *words: object) -> Any:
        """A server's answer to one command."""
        return server.command(*words, auth=LOGIN)

    def id(self, server: RedisServer) -> str:
        """The name that a node has in the cluster."""
        name: bytes = self.ask(server, "CLUSTER", "MYID")
        return name.decode()

    def of(self, key: str) -> RedisServer:
        """The server that all which are up call the primary of a key's slot."""
        [port] = self.ports_of(key)
        return next(server for server in self.servers if server.port == port)

    def ports_of(self, key: str) -> set[int]:
        """The ports at which those that are up say that the primary of a key's slot is."""
        slot = slot_of(("GET", key))
        return {self._primary(server, slot) for server in self.servers if server.running}

    def replica_of(self, server: RedisServer) -> RedisServer:
        """The replica that was given to a primary, or the other way round."""
        at, half = self.servers.index(server), len(self.primaries)
        return self.servers[(at + half) % len(self.servers)]

    def await_replicas(self) -> None:
        """Wait until every replica has all that its primary has, and may take its place."""
        for primary in self.primaries:
            until(lambda one=primary: b"state=online" in self.ask(one, "INFO", "replication"), "a replica in step")
            self.ask(primary, "WAIT", 1, 10_000)

    def fail_over(self, primary: RedisServer) -> None:
        """Make its replica the primary, as an operator does, and wait until all know."""
        replica = self.replica_of(primary)
        key = self.queues()[self.primaries.index(primary)]
        self.ask(replica, "CLUSTER", "FAILOVER")
        until(lambda: self.ports_of(key) == {replica.port}, "another primary")

    def move(self, key: str, target: RedisServer) -> None:
        """Move the slot of a key to another primary in one step, as Valkey 9 can, and wait until all know."""
        slot, source = slot_of(("GET", key)), self.of(key)
        if source is not target:
            self.ask(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", self.id(target))
            until(lambda: self.ports_of(key) == {target.port}, "a moved slot")

    def begin_to_move(self, key: str, target: RedisServer) -> None:
        """Open the slot of a key for a move key by key, which older servers know alone."""
        slot, source = slot_of(("GET", key)), self.of(key)
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id(source))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id(target))

    def move_keys(self, key: str, target: RedisServer) -> None:
        """Move what is in an open slot."""
        slot, source = slot_of(("GET", key)), self.of(key)
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            place = "127.0.0.1", target.port, "", 0, 20_000
            self.ask(source, "MIGRATE", *place, "AUTH", PASSWORD, "KEYS", *keys)

    def end_move(self, key: str, target: RedisServer) -> None:
        """Move the rest and close the slot."""
        slot, source = slot_of(("GET", key)), self.of(key)
        self.move_keys(key, target)
        for server in (target, source):
            self.ask(server, "CLUSTER", "SETSLOT", slot, "NODE", self.id(target))
        until(lambda: self.ports_of(key) == {target.port}, "a moved slot")

    def queues(self, count: int = 1) -> list[str]:
        """Names of queues, so many on each of the first primaries, one primary after the other."""
        share = SLOTS // len(self.primaries)
        names: dict[int, list[str]] = {}
        for n in range(1_000):
            names.setdefault(min(slot_of(("GET", f"q{n}")) // share, len(self.primaries) - 1), []).append(f"q{n}")
        return [names[at][n] for n in range(count) for at in range(len(self.primaries))]

    def stop(self) -> None:
        """Kill the servers and remove their data."""
        for server in self.servers:
            server.stop()

    def _primary(self, server: RedisServer, slot: int) -> int:
        found = self.ask(server, "CLUSTER", "SLOTS")
        return next(int(primary[1]) for first, last, primary, *_ in found if first <= slot <= last)

    def _join(self) -> None:
        first, count = self.servers[0], len(self.primaries)
        for n, server in enumerate(self.servers):
            self.ask(server, "CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            if n < count:
                ends = SLOTS * n // count, SLOTS * (n + 1) // count - 1
                self.ask(server, "CLUSTER", "ADDSLOTSRANGE", *ends)
            if n:
                self.ask(server, "CLUSTER", "MEET", "127.0.0.1", first.port, first.options["cluster_port"])

    def _whole(self) -> bool:
        """Whether all nodes know all others and who serves what."""
        for server in self.servers:
            if b"cluster_state:ok" not in self.ask(server, "CLUSTER", "INFO"):
                return False
            found = self.ask(server, "CLUSTER", "SLOTS")
            if [len(each) - 2 for each in found] != [len(self.servers) // len(self.primaries)] * len(self.primaries):
                return False
        return True

    def __enter__(self) -> "ClusterService":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _node(node_timeout: int) -> RedisServer:
    return RedisServer(
        cluster_enabled="yes",
        cluster_port=free_port(),
        cluster_node_timeout=node_timeout,
        cluster_replica_validity_factor=0,
        requirepass=PASSWORD,
        masterauth=PASSWORD,
        repl_diskless_sync_delay=0,
    )
