"""Speaks to a Redis Cluster as `RedisClient` does to one server: each command goes to the node that serves the slot of its keys
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/)."""

from collections.abc import Iterator
from typing import Any

import hiredis
from msgspec.structs import replace

from jq_cli.backends.redis.address import Address
from jq_cli.backends.redis.client import Asked, Patience, RedisClient
from jq_cli.backends.redis.connection import Connection, pack
from jq_cli.backends.redis.errors import code_of, hopeless
from jq_cli.backends.redis.scripts import Call, script
from jq_cli.backends.redis.slots import Place, SlotMap, first_answer, redirection, slot_map, slot_of

REDIRECTED = ("MOVED", "ASK")


class ClusterClient(RedisClient):
    """One connection to each node that was needed so far. The map of slots is read when it is first needed and after trouble;
    what a node says of a slot that it does not serve corrects it."""

    one_server = False

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._nodes: dict[Place, Connection] = {}
        self._map: SlotMap = []
        self._known: set[Place] = set(address.nodes)
        self._asking: dict[int, Place] = {}
        self._whole = False

    def close(self) -> None:
        """Close the connections; the next call reads the map again and opens what it needs."""
        for connection in self._nodes.values():
            connection.close()
        self._nodes.clear()
        self._map = []

    def _open_for(self, command: Asked, patience: Patience, *, check: bool) -> Connection:
        if self._answer is not None:
            self._answer.await_it()
        slot = slot_of(command)
        while True:
            try:
                return self._at(self._asking.get(slot) or self._place(slot, patience), patience.deadline, check)
            except (OSError, hiredis.ReplyError) as error:
                self._map = []  # it may name a node that is gone
                self._asking.clear()
                if hopeless(error):
                    raise
                patience.wait(error)

    def _exchange(self, commands: Iterator[Asked], patience: Patience, again: bool) -> tuple[list[Asked], list[Any]]:
        """See RedisClient. All nodes work at the same time."""
        sent = list(commands)
        answers: list[Any] = []
        nodes = [self._open_for(command, patience, check=not again) for command in sent]
        asking = [slot_of(command) in self._asking for command in sent] if self._asking else [False] * len(sent)
        whole, self._whole = self._whole, False
        self._asking.clear()
        try:
            for command, node, asked in zip(sent, nodes, asking, strict=True):
                node.send((pack(("ASKING",)) if asked else b"") + self._worded(command, whole), patience.deadline)
            for node, asked in zip(nodes, asking, strict=True):
                if asked:
                    node.receive(patience.deadline)
                answers.append(node.receive(patience.deadline))
        except BaseException as error:
            return self._resumed(error, sent, answers, iter(()), patience, again=again)
        for answer in answers:
            self._note(answer)
        return sent, answers

    def _clear_way(self, command: Asked, error: hiredis.ReplyError, patience: Patience) -> None:
        """See RedisClient. A script that a node does not know is sent to it whole."""
        code = code_of(error)
        if code in REDIRECTED:
            self._note(error)
            patience.wait(hiredis.ReplyError(f"TRYAGAIN {error}"))  # two nodes may point at each other for a while
        elif code == "NOSCRIPT":
            self._whole = True
        else:
            if code == "CLUSTERDOWN":
                self._map = []
            super()._clear_way(command, error, patience)

    # --- parts ---

    def _worded(self, command: Asked, whole: bool) -> bytes:
        if whole and isinstance(command, Call):
            return pack(("EVAL", script(command.name).text, *command.arguments))
        return self._packed(command)

    def _note(self, answer: Any) -> None:
        """Learn from an answer where a slot is: from now on, or for the next command alone."""
        if not isinstance(answer, hiredis.ReplyError) or code_of(answer) not in REDIRECTED:
            return
        slot, (host, port) = redirection(answer)
        before = self._map[slot] if self._map else None
        if not host and before is not None:
            host = before[0]
        if not host:
            self._map = []
        elif code_of(answer) == "ASK":
            self._asking[slot], self._whole = (host, port), True
        elif self._map:
            self._map[slot] = (host, port)

    def _place(self, slot: int, patience: Patience) -> Place:
        if not self._map:
            self._map = first_answer(self._known, patience.deadline, self._map_of)
            self._known = {*self.address.nodes, *filter(None, self._map)}
        place = self._map[slot]
        if place is None:
            raise hiredis.ReplyError("CLUSTERDOWN Hash slot not served")
        return place

    def _map_of(self, place: Place, deadline: float) -> SlotMap:
        """What a node says of the slots. The connection is kept: it may be the one that is needed next."""
        node = self._at(place, deadline, check=True)
        try:
            node.send(pack(("CLUSTER", "SLOTS")), deadline)
            answer = node.receive(deadline)
        except BaseException:
            self._nodes.pop(place).close()
            raise
        if isinstance(answer, hiredis.ReplyError):
            raise answer
        return slot_map(answer, place)

    def _at(self, place: Place, deadline: float, check: bool) -> Connection:
        node = self._nodes.get(place)
        if node is not None and check and node.ended():
            self._nodes.pop(place).close()
            node = None
        if node is None:
            node = self._nodes[place] = Connection(at_node(self.address, place), deadline)
            self.connections += 1
        return node


def at_node(address: Address, place: Place) -> Address:
    """The address of one node of a cluster."""
    return replace(address, host=place[0], port=place[1], nodes=())


def any_node(address: Address, deadline: float) -> Connection:
    """A connection to a node of a cluster, whichever answers."""
    return first_answer(address.nodes, deadline, lambda place, until: Connection(at_node(address, place), until))
