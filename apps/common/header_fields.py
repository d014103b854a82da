"""Header fields: what names and values people may enter, and which of them are for one connection alone. Pure."""

import re

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
HOP_BY_HOP = frozenset({
    "connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
    "proxy-authenticate", "proxy-authorization", "proxy-authentication-info",
})  # fmt: skip


def is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def is_value(text: str) -> bool:
    """One line of printable ASCII characters."""
    return bool(_VALUE.fullmatch(text))
