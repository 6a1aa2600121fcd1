"""A pooler in transaction mode, as PgBouncer is one: each transaction of a client runs on whichever server connection is free, and
nothing that a client does to its session is there for its next transaction."""

import queue
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

from tests.postgres_server import SUPERUSER, PostgresServer

_SSL, _GSS = 80877103, 80877104
_PARAMETERS = {
    "server_version": "18.0",
    "client_encoding": "UTF8",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "DateStyle": "ISO, MDY",
}


class Pooler:
    """Shares `size` connections to a server that trusts TCP connections. Use as a context manager."""

    def __init__(self, server: PostgresServer, size: int = 2) -> None:
        self.transactions = 0
        self._servers: queue.Queue[socket.socket] = queue.Queue()
        self._ends: list[socket.socket] = []
        for _ in range(size):
            self._servers.put(self._server_connection(server.port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgres://{SUPERUSER}@127.0.0.1:{self._listener.getsockname()[1]}/postgres"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Pooler":
        return self

    def __exit__(self, *error: object) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _server_connection(self, port: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port))
        self._ends.append(connection)
        words = b"user\0%s\0database\0postgres\0application_name\0pooler\0\0" % SUPERUSER.encode()
        connection.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
        while _message(connection)[0] != b"Z":
            pass
        return connection

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._ends.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            self._greet(client)
            while (first := _message(client))[0] != b"X":
                server = self._servers.get()
                self.transactions += 1
                self._transaction(client, server, first)
                self._servers.put(server)
        client.close()

    def _greet(self, client: socket.socket) -> None:
        while struct.unpack("!ii", _exactly(client, 8))[1] in (_SSL, _GSS):
            client.sendall(b"N")
        while _exactly(client, 1) != b"\0" or _exactly(client, 1) != b"\0":
            pass
        client.sendall(_packed(b"R", struct.pack("!i", 0)))
        for name, value in _PARAMETERS.items():
            client.sendall(_packed(b"S", f"{name}\0{value}\0".encode()))
        client.sendall(_packed(b"K", struct.pack("!ii", 1, 1)) + _packed(b"Z", b"I"))

    def _transaction(self, client: socket.socket, server: socket.socket, message: tuple[bytes, bytes]) -> None:
        owed = 0
        for kind, body in self._both(client, server, message):
            owed += kind in (b">S", b">Q")
            owed -= kind == b"<Z"
            if kind == b"<Z" and body == b"I" and not owed:
                return

    def _both(
        self, client: socket.socket, server: socket.socket, message: tuple[bytes, bytes]
    ) -> Iterator[tuple[bytes, bytes]]:
        """Messages of both sides, each passed on."""
        server.sendall(_packed(*message))
        yield b">" + message[0], message[1]
        while True:
            for end in select.select([client, server], [], [])[0]:
                kind, body = _message(end)
                (server if end is client else client).sendall(_packed(kind, body))
                yield (b">" if end is client else b"<") + kind, body


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", _exactly(connection, 5))
    return kind, _exactly(connection, length - 4)


def _packed(kind: bytes, body: bytes) -> bytes:
    return struct.pack("!ci", kind, len(body) + 4) + body


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := connection.recv(size - len(data))):
            raise EOFError
        data += more
    return data
