"""Framed messages over a socketpair."""

import socket

from jq_cli.pool.link import Link
from jq_cli.task import Report, Resume, Run, Task

TASK = Task(1, "id", "q", b"x" * 1000, 1, 0, 0, "1.a", None, {}, None)


def pair() -> tuple[Link[Run | Resume], Link[Run | Resume]]:
    left, right = socket.socketpair()
    return Link(left, Run | Resume), Link(right, Run | Resume)  # type: ignore[arg-type]


def test_messages_arrive_whole_and_in_order_however_they_are_cut() -> None:
    left, right = socket.socketpair()
    sender = Link(left, Report)
    receiver = Link(right, Run | Resume)  # type: ignore[arg-type]
    sender.send(Run([TASK, TASK]))
    sender.send(Resume())
    data = right.recv(1 << 20)
    received = []
    right.setblocking(False)
    for byte in data:
        left.send(bytes([byte]))
        received += receiver.receive() or []
    assert received == [Run([TASK, TASK]), Resume()]


def test_what_does_not_fit_waits_and_is_sent_later() -> None:
    left, right = pair()
    left.sock.setblocking(False)
    right.sock.setblocking(False)
    for _ in range(50):
        left.send(Run([TASK] * 50))
    assert left.unsent
    received = []
    while len(received) < 50:
        received += right.receive() or []
        left.flush()
    assert received == [Run([TASK] * 50)] * 50
    assert not left.unsent


def test_the_end_of_the_other_side_is_none() -> None:
    left, right = pair()
    left.close()
    assert right.receive() is None
