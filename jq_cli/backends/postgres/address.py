"""Where a Postgres server is, how to log in, and which schema of the database holds a namespace.

`postgres://[user[:password]@][host][:port][/database][?options]`, as libpq takes it: every libpq parameter may stand in the
query or be an option (`sslmode`, `sslrootcert`, `passfile`, `service`, `target_session_attrs`, several hosts, ...), and so may
`schema`, `timeout` (seconds, 2) and `vacuum` (whether a worker vacuums the tables it fills, yes). What is not given comes from
libpq's environment (`PGHOST`, `PGPASSWORD`, ...).
"""

import hashlib
from typing import Any
from zlib import crc32

import msgspec

from jq_cli.draft import seconds
from jq_cli.errors import InvalidField, UsageError
from jq_cli.store_url import mask_url

TIMEOUT = 2.0
"""Seconds until a call gives up."""

OWN = ("schema", "timeout", "vacuum")
"""Options that are ours, not libpq's."""

_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

MAX_TIMEOUT = 3_600.0
MAX_NAME = 63
"""Bytes of an identifier that Postgres keeps."""


class Address(msgspec.Struct, frozen=True):
    """One namespace on one server. `conninfo` is for libpq, `shown` the URL without secrets; `timeout` in seconds; `vacuum`:
    whether a worker clears up by itself; `chosen`: the schema was named, so that it is not the namespace's own."""

    shown: str
    conninfo: str
    schema: str
    timeout: float = TIMEOUT
    vacuum: bool = True
    chosen: bool = False

    @property
    def quoted(self) -> str:
        """The schema as SQL writes it."""
        return '"' + self.schema.replace('"', '""') + '"'

    @property
    def lock(self) -> int:
        """The number by which this namespace's advisory locks are told from others in the database."""
        return crc32(self.schema.encode()) - (1 << 31)


def parse_address(url: str, options: dict[str, Any], namespace: str) -> Address:
    """The address in a URL and the options beside it, which win. Raises UsageError naming what cannot be used."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    scheme, _, rest = url.partition("://")
    rest, given = _own_options(rest)
    given |= {name: value for name, value in options.items() if name in OWN}
    others = {name: str(value) for name, value in options.items() if name not in OWN}
    try:
        conninfo = make_conninfo(f"postgresql://{rest}", **others)
    except ProgrammingError as error:
        raise UsageError(f"{mask_url(url)}: {_masked(error, url)}") from None
    schema = str(given.get("schema") or schema_of(namespace))
    if not 0 < len(schema.encode()) <= MAX_NAME or "\0" in schema or schema.startswith("pg_"):
        raise InvalidField(
            "schema", f"{schema[:80]!r} cannot name a schema: 1 to {MAX_NAME} bytes, not starting with pg_"
        )
    return Address(
        mask_url(f"{scheme}://{rest}"),
        conninfo,
        schema,
        _timeout(given.get("timeout", TIMEOUT)),
        _vacuum(given.get("vacuum", "yes")),
        chosen="schema" in given,
    )


def read_address(url: str, options: dict[str, Any]) -> Address:
    """The address in the namespace that is the default. Raises UsageError naming what cannot be used."""
    return parse_address(url, options, "jq")


def schema_of(namespace: str) -> str:
    """The schema of a namespace: `jq` itself, else `jq_` and the name, cut and marked by its hash where that is too long."""
    schema = "jq" if namespace == "jq" else f"jq_{namespace}"
    if len(schema) <= MAX_NAME:
        return schema
    return f"{schema[: MAX_NAME - 17]}_{hashlib.sha256(namespace.encode()).hexdigest()[:16]}"


def _own_options(rest: str) -> tuple[str, dict[str, Any]]:
    """The part of a URL after its scheme without the options that are not libpq's, and those."""
    from urllib.parse import unquote

    place, _, query = rest.partition("?")
    own: dict[str, Any] = {}
    others: list[str] = []
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name in OWN:
            own[name] = unquote(value)
        else:
            others.append(part)
    return place + ("?" + "&".join(others) if others else ""), own


def _masked(error: Exception, url: str) -> str:
    """libpq's words without the part of the URL that it may quote."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else "cannot be used"
    _, _, rest = url.partition("://")
    credentials = rest.rpartition("@")[0]
    return text.replace(rest, "...").replace(credentials, "***") if credentials else text


def _timeout(value: object) -> float:
    number = seconds(value, "timeout") if isinstance(value, str | int | float) else -1.0
    if not 0 < number <= MAX_TIMEOUT:
        raise InvalidField("timeout", f"expected more than 0 and at most {MAX_TIMEOUT:g} s, got {str(value)[:40]!r}")
    return number


def _vacuum(value: object) -> bool:
    word = str(value).lower()
    if word not in _TRUTH:
        raise InvalidField("vacuum", f"expected yes or no, got {str(value)[:40]!r}")
    return _TRUTH[word]
