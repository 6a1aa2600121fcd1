"""Who may do what: tokens, their scopes, and how often somebody may guess.

A token is text; the server keeps its SHA-256 alone. A line of a token file: `NAME SCOPE[,SCOPE...] sha256:HEX`; `#` begins a
comment. Scopes: `read`, `enqueue[:queue]`, `work[:queue]`, `admin`. `jq token new` makes such lines.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable

import msgspec

from jq_cli.draft import check_name
from jq_cli.errors import ConfigError, InvalidField
from jq_cli.server.problems import Refused

KINDS = ("read", "enqueue", "work", "admin")
SHORTEST = 16
"""Characters of a token that people choose, at least. Those made by `jq token new` have 43."""

GUESSES = 20
GUESS_WINDOW = 60.0
_PEERS = 10_000
_CHALLENGE = (b"www-authenticate", b'Bearer realm="jq"')


class Scope(msgspec.Struct, frozen=True):
    """One right; `queue` None: on every queue."""

    kind: str
    queue: str | None = None

    def __str__(self) -> str:
        return self.kind if self.queue is None else f"{self.kind}:{self.queue}"


class Caller(msgspec.Struct, frozen=True):
    """Who asks, and with which rights."""

    name: str
    scopes: tuple[Scope, ...]

    def may(self, kind: str, queue: str | None = None) -> bool:
        """Whether the caller has a right on a queue (None: on every queue)."""
        return any(
            scope.kind == "admin" or (scope.kind == kind and scope.queue in (None, queue)) for scope in self.scopes
        )

    def has(self, *kinds: str) -> bool:
        """Whether the caller has one of the rights on any queue at all."""
        return any(scope.kind in (*kinds, "admin") for scope in self.scopes)

    def demand(self, kind: str, queues: Iterable[str | None] = (None,)) -> None:
        """Raises Refused unless the caller has the right on each of the queues (by default: on every queue)."""
        self.demand_any(kind)
        for queue in queues:
            if not self.may(kind, queue):
                wanted = Scope(kind, queue)
                raise Refused(403, f"this takes a token with the scope {wanted}; {self.name} has {_shown(self.scopes)}")

    def demand_any(self, *kinds: str) -> None:
        """Raises Refused unless the caller has one of the rights on any queue."""
        if not self.has(*kinds):
            raise Refused(
                403, f"this takes a token with the scope {' or '.join(kinds)}; {self.name} has {_shown(self.scopes)}"
            )


class Token(msgspec.Struct, frozen=True):
    """A token that is known by its hash."""

    caller: Caller
    digest: bytes


NOBODY = Caller("anonymous", (Scope("admin"),))
"""Whoever asks a server that has no tokens: it listens where only this machine reaches it."""


def digest_of(token: str) -> bytes:
    """What the server keeps of a token. Tokens are long and random, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """A token that nobody guesses: 256 random bits."""
    return secrets.token_urlsafe(32)


def line_of(name: str, scopes: tuple[Scope, ...], token: str) -> str:
    """The line of a token file for a token."""
    return f"{name} {','.join(map(str, scopes))} sha256:{digest_of(token).hex()}"


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The scopes in `read,enqueue:builds`. Raises InvalidField for what is none."""
    scopes = []
    for word in text.split(","):
        kind, colon, queue = word.partition(":")
        if kind not in KINDS or (colon and kind in ("read", "admin")):
            raise InvalidField("scope", f"expected read, enqueue[:queue], work[:queue] or admin, got {word[:60]!r}")
        scopes.append(Scope(kind, check_name(queue) if colon else None))
    return tuple(scopes)


def chosen_token(name: str, token: str, scopes: str = "admin") -> Token:
    """A token given as it is, such as that of ADMIN_TOKEN. Raises ConfigError when it is too short to be one."""
    if len(token) < SHORTEST:
        raise ConfigError(f"{name}: {len(token)} characters are fewer than the {SHORTEST} that a token needs")
    return Token(Caller(name, parse_scopes(scopes)), digest_of(token))


def read_tokens(text: str, label: str) -> list[Token]:
    """The tokens in the text of a token file. Raises ConfigError naming the line that is none."""
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                tokens.append(_token(words))
            except (ValueError, InvalidField) as error:
                raise ConfigError(f"{error} ({label} line {number})") from None
    return tokens


def _token(words: list[str]) -> Token:
    if len(words) != 3 or not words[2].startswith("sha256:"):
        raise ValueError("expected NAME SCOPE[,SCOPE...] sha256:HEX")
    digest = bytes.fromhex(words[2].removeprefix("sha256:"))
    if len(digest) != 32:
        raise ValueError("expected 64 hexadecimal digits after sha256:")
    return Token(Caller(check_name(words[0], "name"), parse_scopes(words[1])), digest)


class Access:
    """Finds out who asks. Without tokens everybody is `NOBODY`, who may do everything."""

    def __init__(self, tokens: Iterable[Token] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = list(tokens)
        self._clock = clock
        self._guesses: dict[str, list[float]] = {}

    @property
    def open(self) -> bool:
        """Whether nobody needs a token."""
        return not self._tokens

    def caller(self, authorization: str, peer: str) -> Caller:
        """Who sent this header from that address. Raises Refused: 401, or 429 after too many wrong tokens from there."""
        if self.open:
            return NOBODY
        self._hold_back(peer)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "a token is needed: Authorization: Bearer TOKEN", _CHALLENGE)
        digest = hashlib.sha256(token.strip().encode("latin-1", "replace")).digest()
        found = [known for known in self._tokens if hmac.compare_digest(known.digest, digest)]
        if not found:
            self._guesses.setdefault(peer, []).append(self._clock())
            raise Refused(401, "the token is not known here", _CHALLENGE)
        return found[0].caller

    def _hold_back(self, peer: str) -> None:
        since = self._clock() - GUESS_WINDOW
        if len(self._guesses) > _PEERS:
            self._guesses = {p: times for p, times in self._guesses.items() if times[-1] > since}
        recent = [moment for moment in self._guesses.get(peer, ()) if moment > since]
        if recent:
            self._guesses[peer] = recent
        else:
            self._guesses.pop(peer, None)
        if len(recent) >= GUESSES:
            wait = str(max(1, round(recent[0] - since))).encode()
            raise Refused(429, "too many wrong tokens from this address", (b"retry-after", wait))


def _shown(scopes: tuple[Scope, ...]) -> str:
    return ", ".join(map(str, scopes)) or "none"
