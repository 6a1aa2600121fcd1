"""Google Cloud Storage for tests: what `obstore` asks of its XML API, and nothing else, on a free port of this process.

Written from Google's documentation of the XML API and of request preconditions, because no server to be had keeps them:
`x-goog-if-generation-match: 0` creates an object or answers 412; listings (version 2) come by name in pages of at most 1,000,
and go on by `continuation-token`; a Range is answered with 206, beyond the end with 416.
"""

from bisect import bisect_right
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock, Thread
from time import gmtime, strftime
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "jobs"
PAGE = 1_000


class Object(NamedTuple):
    data: bytes
    generation: int
    modified: str


class GcsServer:
    """One bucket. Use as a context manager or call `stop`. `page`: objects in one answer to a listing; `seen`: how many requests
    came, by method; `careless` makes it ignore preconditions, as some servers do."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.page, self.careless = PAGE, False
        self.seen: dict[str, int] = {}
        self._turn, self._generations = Lock(), count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads, self._server.block_on_close = True, False
        Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, prefix: str = "") -> str:
        """The URL of a prefix in the bucket."""
        return f"gs://{BUCKET}/{prefix}?endpoint=http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "GcsServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def put(self, name: str, data: bytes, wanted: str | None) -> Object | None:
        """Write an object, provided that it has the generation that is wanted (0: that there is none)."""
        with self._turn:
            found = self.objects.get(name)
            if wanted is not None and not self.careless and int(wanted) != (found.generation if found else 0):
                return None
            modified = strftime("%Y-%m-%dT%H:%M:%S.000Z", gmtime())
            self.objects[name] = made = Object(data, next(self._generations), modified)
            return made

    def listed(self, prefix: str, after: str) -> str:
        """A page of a listing: the names with a prefix behind a name."""
        with self._turn:
            names = sorted(name for name in self.objects if name.startswith(prefix))
            start = bisect_right(names, after)
            page = [(name, self.objects[name]) for name in names[start : start + self.page]]
            more = start + self.page < len(names)
        found = "".join(
            f"<Contents><Key>{escape(name)}</Key><Generation>{each.generation}</Generation><Size>{len(each.data)}</Size>"
            f'<LastModified>{each.modified}</LastModified><ETag>"{each.generation}"</ETag></Contents>'
            for name, each in page
        )
        more_by = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{found}{more_by}</ListBucketResult>"


def _handler(server: GcsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            made = server.put(self._name(), data, self.headers["x-goog-if-generation-match"])
            self._answer(200 if made else 412, b"", made)

        def do_DELETE(self) -> None:
            self._answer(204 if server.objects.pop(self._name(), None) else 404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(path.query).items()}
            if query.get("list-type") == "2":
                after = query.get("continuation-token", query.get("start-after", ""))
                self._answer(200, server.listed(query.get("prefix", ""), after).encode())
                return
            found = server.objects.get(self._name())
            span = self.headers["Range"]
            if found is None:
                self._answer(404)
            elif span is None:
                self._answer(200, found.data, found)
            else:
                first, last = (int(end) for end in span.removeprefix("bytes=").split("-"))
                part = found.data[first : last + 1]
                whole = f"bytes {first}-{first + len(part) - 1}/{len(found.data)}"
                self._answer(206 if part else 416, part, found, {"Content-Range": whole})

        def _name(self) -> str:
            server.seen[self.command] = server.seen.get(self.command, 0) + 1
            bucket, _, name = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
            assert bucket == BUCKET
            return name

        def _answer(
            self, status: int, body: bytes = b"", of: Object | None = None, more: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            headers = {"Content-Length": str(len(body)), "Last-Modified": formatdate(usegmt=True), **(more or {})}
            if of is not None:
                headers |= {"ETag": f'"{of.generation}"', "x-goog-generation": str(of.generation)}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
