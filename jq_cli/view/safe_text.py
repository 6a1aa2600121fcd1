"""Makes stored or foreign text safe to show: what could move a cursor, hide or reorder text becomes a visible escape."""

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: escape sequences, line ends
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidi
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff"  # lone surrogates
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # musical controls, tags
    "]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# The same characters in UTF-8, without surrogates and C0: JSON escapes those by itself.
_UNSAFE_JSON = re.compile(
    rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f\xad]|\xcd\x8f|\xd8\x9c|\xe1\x85[\x9f\xa0]|\xe1\x9e[\xb4\xb5]|\xe1\xa0[\x8b-\x8f]"
    rb"|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xe3\x85\xa4|\xef\xbb\xbf|\xef\xbe\xa0|\xef\xbf[\xb9-\xbb\xbe\xbf]"
    rb"|\xf0\x9d\x85[\xb3-\xba]|\xf3\xa0[\x80-\xbf][\x80-\xbf]"
)


def safe_text(text: str) -> str:
    """The text on one line with every control, bidi, zero-width and invisible character shown as `\\x1b` or `\\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_escape, text)


def safe_lines(text: str) -> list[str]:
    """The lines of a text, each safe; for places where a line may end."""
    return [safe_text(line) for line in re.split(r"\r\n|\n|\r", text)]


def safe_bytes(data: bytes) -> str:
    """Stored bytes as safe text; what is not UTF-8 is shown as `\\xff`."""
    return safe_text(data.decode("utf-8", errors="backslashreplace"))


def safe_json(encoded: bytes) -> bytes:
    """JSON on one line with the same characters written as JSON escapes: the same value, harmless on a terminal.

    Between its tokens JSON has no such characters but line ends and tabs, which `msgspec.json.format` removed before.
    """
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return _UNSAFE_JSON.sub(_escape_json, encoded)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_json(match: re.Match[bytes]) -> bytes:
    units = match[0].decode().encode("utf-16-be")
    return b"".join(b"\\u%04x" % int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
