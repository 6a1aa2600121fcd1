"""Store URLs as text: which password to put in, and what of them may be shown. Pure."""

import re

_SECRET_NAME = re.compile(r"pass|secret|token|key|auth", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(r"([?&][^=&]*(?:pass|secret|token|key|auth)[^=&]*=)[^&#]*", re.IGNORECASE)


def mask_url(url: str) -> str:
    """The URL with its password, and any query parameter that sounds like a secret, replaced by `***`."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    # The last @ ends the credentials: a password with a bare / or @ is masked too, at the price of more than needed.
    credentials, at, host = rest.rpartition("@")
    if at and not rest.startswith("/"):
        user, colon, _ = credentials.partition(":")
        rest = f"{user}{colon and ':***'}@{host}"
    return f"{scheme}://" + _SECRET_PARAMETER.sub(r"\1***", rest)


def mask_option(name: str, value: object) -> object:
    """A backend's option for people: `***` when its name sounds like a secret, unless it names a file."""
    return "***" if _SECRET_NAME.search(name) and not name.endswith(("file", "_certs")) else value


def has_secret(url: str) -> bool:
    """Whether showing the URL would show a password."""
    return mask_url(url) != url


def with_password(url: str, password: str) -> str:
    """The URL with this password in place of any it had."""
    from urllib.parse import quote

    scheme, _, rest = url.partition("://")
    credentials, at, host = rest.rpartition("@")
    user = credentials.partition(":")[0] if at else ""
    return f"{scheme}://{user}:{quote(password, safe='')}@{host}"


def redis_url(address: str) -> str:
    """The URL for `REDIS_ADDR`: `host:port` stands for database 0 there; a URL stands for itself."""
    return address if "://" in address else f"redis://{address}/0"
