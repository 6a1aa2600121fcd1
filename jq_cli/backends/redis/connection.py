"""One connection to a Redis server: a socket and hiredis, RESP3. Our own, because importing redis-py takes ten times as long
as a whole `jq len` and its command objects cost more per job than the server does; all we need is to send and to receive."""

import select
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from jq_cli.backends.redis.address import Address
from jq_cli.sockets import CHUNK, ConnectionEnded, connected, left, wanted

Word = str | bytes | int | float
Command = Sequence[Word]
"""A command and its arguments."""

_TEXT = (str, bytes)


def pack(command: Command) -> bytes:
    """The bytes of a command.

    Numbers become text here. hiredis would ask the interpreter for their text, which may raise KeyboardInterrupt there
    and then, and hiredis does not look: a Ctrl-C at that moment crashed the process or was forgotten.
    """
    words = tuple([word if isinstance(word, _TEXT) else repr(word) for word in command])
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub allows one word only
    return packed


class Connection:
    """An open, authenticated connection. Raises OSError when it is lost or a deadline (monotonic seconds) passes, and the
    server's error answer (hiredis.ReplyError) when it refuses the login. Error answers to commands are returned. `role` is what
    the server says it is: `master`, `replica` or `sentinel`."""

    def __init__(self, address: Address, deadline: float) -> None:
        self._reader = hiredis.Reader()
        self._socket = connected(address, deadline)
        # It never waits by itself: Python would ask the system first, for each read and write, whether it may.
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._decrypted: Callable[[], int] = getattr(self._socket, "pending", lambda: 0)
        try:
            greetings = _greetings(address)
            for greeting in greetings:
                self.send(pack(greeting), deadline)
            answers = [self.receive(deadline) for _ in greetings]
            for answer in answers:
                if isinstance(answer, hiredis.ReplyError):
                    raise answer
            self.role: bytes = answers[0].get(b"role", b"")
        except BaseException:
            self.close()
            raise

    def send(self, packed: bytes, deadline: float) -> None:
        """Send a packed command."""
        left(deadline)
        rest = memoryview(packed)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except OSError as error:
                self._wait(wanted(error, select.POLLOUT), deadline)

    def receive(self, deadline: float) -> Any:
        """The next answer."""
        while (answer := self._reader.gets()) is False:
            if not self._decrypted():  # as a rule the answer is not there yet, so to read at once would be in vain
                self._wait(select.POLLIN, deadline)
            try:
                self._feed()
            except OSError as error:
                self._wait(wanted(error, select.POLLIN), deadline)
        return answer

    def receive_waiting(self) -> list[Any]:
        """All answers that have arrived, without waiting for more."""
        answers: list[Any] = []
        try:
            while True:
                self._feed()
        except OSError as error:
            wanted(error, select.POLLIN)
        while (answer := self._reader.gets()) is not False:
            answers.append(answer)
        return answers

    def ended(self) -> bool:
        """Whether the server has closed the connection while it was idle, or said something that nobody asked for."""
        try:
            return bool(self.receive_waiting())
        except OSError:
            return True

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _wait(self, event: int, deadline: float) -> None:
        poll = self._poll
        if event != select.POLLIN:
            poll = select.poll()
            poll.register(self._socket, event)
        if not poll.poll(left(deadline) * 1_000):
            left(deadline)

    def _feed(self) -> None:
        data = self._socket.recv(CHUNK)
        if not data:
            raise ConnectionEnded("the server closed the connection")
        self._reader.feed(data)


def _greetings(address: Address) -> list[Command]:
    login = ("AUTH", address.username, address.password) if address.password is not None else ()
    hello: Command = ("HELLO", 3, *login, "SETNAME", address.client_name)
    return [hello, ("SELECT", address.db)] if address.db else [hello]
