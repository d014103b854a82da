"""What the address of an instance may be, as far as it can be seen in the address. Pure."""

import re
import socket
from typing import Any
from urllib.parse import urlsplit

from apps.common.addresses import check_url, is_public

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]")
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def checked_address(url: str, *, allow_private: bool) -> str:
    """The address of an instance as it is stored. Raises ValueError with a sentence for users.

    What a name resolves to is checked whenever a connection is made; here, only what can be seen in the address.
    """
    url = check_url(url)
    parts = urlsplit(url)
    if not url.isascii() or not _HOST.fullmatch(parts.netloc.rpartition(":")[0] if _has_port(parts) else parts.netloc):
        raise ValueError("The name of the host must be written in ASCII letters, digits, dots and hyphens.")
    if "\\" in url or has_dots(parts.path):
        raise ValueError("The path must not contain backslashes, or segments that are dots alone.")
    if not allow_private and is_private(parts.hostname or ""):
        raise ValueError(
            f"{parts.hostname} is not on the public internet. Allow addresses inside your own network for this "
            "service first."
        )
    return url


def is_private(host: str) -> bool:
    """Whether the host is plainly not public: an address in any spelling, or a name of this machine."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not is_public(host)
    except ValueError:
        pass
    try:
        return not is_public(socket.inet_ntoa(socket.inet_aton(host)))  # such as 2130706433 or 0x7f.1
    except (OSError, ValueError):
        return False


def has_dots(path: str) -> bool:
    """Whether a segment is a dot or two, however it is written."""
    return bool(_DOTS.search(path))


def _has_port(parts: Any) -> bool:
    return bool(parts.port) or parts.netloc.endswith(":")
