"""A TCP proxy that misbehaves on request: it loses answers, cuts connections, and speaks TLS in front of a plain server."""

import math
import socket
import ssl
import threading
from contextlib import suppress


class Proxy:
    """Forwards connections to a port of this host. `says` goes before everything the server says. Use as a context manager."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, says: bytes = b"") -> None:
        self._target, self._tls, self._says = port, tls, says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._to_lose = 0.0
        self.lost = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next_answer(self) -> None:
        """Swallow the server's next answer, whatever connection it is for, and cut that connection."""
        self._to_lose = 1

    def lose_all_answers(self) -> None:
        """Do so with every answer from now on."""
        self._to_lose = math.inf

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()
        for end in self._open:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client = self._tls.wrap_socket(client, server_side=True) if self._tls else client
        except OSError:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self._target))
        self._open += (client, server)
        threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
        client.sendall(self._says)
        self._pump(server, client, losing=True)

    def _pump(self, source: socket.socket, sink: socket.socket, *, losing: bool = False) -> None:
        try:
            while data := source.recv(65536):
                if losing and self._to_lose:
                    self._to_lose -= 1
                    self.lost += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
