"""A link: framed msgpack messages over one end of a socketpair. Four bytes of length (big endian), then the message."""

import socket
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from jq_cli.sockets import CHUNK

In = TypeVar("In")

_HEADER = 4


class Link(Generic[In]):
    """One end. `kind` is the type of the messages that come in. Reading may block or not, as the socket does; writing
    never blocks on a non-blocking socket: what does not fit waits in `unsent`."""

    def __init__(self, sock: socket.socket, kind: type[In]) -> None:
        self.sock = sock
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._encoder = msgspec.msgpack.Encoder()
        self._incoming = bytearray()
        self.unsent = bytearray()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    def send(self, message: object) -> None:
        """Send a message whole, or as much as fits now. Raises OSError when the other end is gone."""
        body = self._encoder.encode(message)
        self.unsent += len(body).to_bytes(_HEADER) + body
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it fits."""
        while self.unsent:
            try:
                sent = self.sock.send(self.unsent)
            except BlockingIOError:
                return
            del self.unsent[:sent]

    def receive(self) -> list[In] | None:
        """The messages that arrived whole: at least one on a blocking socket, perhaps none on another. None: end of file."""
        while True:
            try:
                chunk = self.sock.recv(CHUNK)
            except BlockingIOError:
                return []
            except ConnectionError:
                return None
            if not chunk:
                return None
            self._incoming += chunk
            messages = list(self._messages())
            if messages or self.sock.gettimeout() == 0.0:
                return messages

    def _messages(self) -> Iterator[In]:
        start, size = 0, len(self._incoming)
        view = memoryview(self._incoming)
        while start + _HEADER <= size:
            end = start + _HEADER + int.from_bytes(view[start : start + _HEADER])
            if end > size:
                break
            yield self._decoder.decode(view[start + _HEADER : end])
            start = end
        view.release()
        del self._incoming[:start]

    def close(self) -> None:
        """Close this end."""
        self.sock.close()
