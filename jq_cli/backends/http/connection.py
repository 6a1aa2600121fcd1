"""One HTTP/1.1 connection: a socket and h11. Our own, because a call must end within one deadline, a watch must be a descriptor
to wait for, and the standard library's client takes twice as long to import as h11."""

import time
from collections.abc import Sequence

import h11

from jq_cli.backends.http.address import Address
from jq_cli.sockets import BLOCKED, CHUNK, ConnectionEnded, connected, left, wants_more

Headers = Sequence[tuple[str, str]]


class Reply:
    """An answer: status, headers by lower-case name, body."""

    def __init__(self, response: h11.Response) -> None:
        self.status = response.status_code
        self.headers = {name.decode(): value.decode("latin-1") for name, value in response.headers}
        self.body = b""


class Connection:
    """An open connection. Raises OSError when it is lost or a deadline (monotonic seconds) passes, and h11.RemoteProtocolError
    when what answers does not speak HTTP."""

    def __init__(self, address: Address, deadline: float) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._socket = connected(address, deadline)

    def ask(self, method: str, target: str, headers: Headers, body: bytes, deadline: float) -> Reply:
        """Send a request and read the whole answer. The body may take longer than the deadline for as long as it keeps
        coming: it is large then, not late."""
        reply = self.begin(method, target, headers, body, deadline)
        patience = deadline - time.monotonic()
        parts: list[bytes] = []
        while not isinstance(event := self._event(deadline), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                parts.append(bytes(event.data))
                deadline = max(deadline, time.monotonic() + patience / 2)
        reply.body = b"".join(parts)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.close()
        return reply

    def begin(self, method: str, target: str, headers: Headers, body: bytes, deadline: float) -> Reply:
        """Send a request and read the head of the answer."""
        length = [("Content-Length", str(len(body)))] if body else []
        request = h11.Request(method=method, target=target, headers=[*headers, *length])
        message = self._http.send(request) or b""
        if body:
            message += self._http.send(h11.Data(data=body)) or b""
        self._send(message + (self._http.send(h11.EndOfMessage()) or b""), deadline)
        while not isinstance(event := self._event(deadline), h11.Response):
            pass
        return Reply(event)

    def take(self) -> None:
        """Read and forget what has arrived of an answer that has no end. Raises ConnectionEnded when it ended."""
        self._socket.settimeout(0)
        while True:
            try:
                data = self._socket.recv(CHUNK)
            except BLOCKED:
                return
            except OSError as error:
                if wants_more(error):
                    return
                raise
            if not data:
                raise ConnectionEnded("the server closed the connection")

    def ended(self) -> bool:
        """Whether the connection cannot be used: closed by either side, or the server said something that nobody asked for."""
        if self._socket.fileno() < 0:
            return True
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except BLOCKED:
            return False
        except OSError as error:
            return not wants_more(error)
        return True

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, message: bytes, deadline: float) -> None:
        self._socket.settimeout(left(deadline))
        self._socket.sendall(message)

    def _event(self, deadline: float) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._socket.settimeout(left(deadline))
            data = self._socket.recv(CHUNK)
            if not data and self._http.their_state is not h11.SEND_BODY:
                raise ConnectionEnded("the server closed the connection")
            self._http.receive_data(data)
        return event
