"""Cookies in requests to services and in their answers.

A service shares its origin with the admin and with other services. So it neither gets nor sets the cookies of Stoa, and
those that it sets are for its own addresses.
"""

from collections.abc import Iterable
from functools import lru_cache

from django.conf import settings

from apps.accounts.sign_in import throttle

_HOST_WIDE = b"__host-"  # browsers accept such a name only for all paths of a host


@lru_cache(maxsize=1)
def own_names() -> frozenset[bytes]:
    """In lower case."""
    names = (
        settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME, "messages",
        throttle.COOKIE,
    )  # fmt: skip
    return frozenset(name.lower().encode() for name in names)


def without_ours(cookies: bytes) -> bytes:
    """A Cookie header without our own cookies; as it is if it has none. Empty if nothing is left."""
    parts = cookies.split(b";")
    kept = [part for part in parts if _name(part) not in own_names()]
    return cookies if len(kept) == len(parts) else b";".join(kept).strip()


def confined(cookie: bytes, *, prefix: bytes, strips_prefix: bool) -> bytes | None:
    """A Set-Cookie header with its path below `prefix`, which is where the service is. None if it is to be dropped.

    A cookie without a name is dropped too: browsers send its value alone, which may look like another cookie.
    """
    pair, *attributes = cookie.split(b";")
    name = _name(pair)
    if not name or b"=" not in pair or name in own_names() or name.startswith(_HOST_WIDE):
        return None
    paths = [part.partition(b"=")[2].strip() for part in attributes if _name(part) == b"path"]
    kept = [part for part in attributes if _name(part) != b"path"]
    return b";".join([pair, *kept, b" Path=" + _path(paths, prefix, strips_prefix)])


def _path(paths: Iterable[bytes], prefix: bytes, strips_prefix: bool) -> bytes:
    path = ([b"", *paths])[-1]
    if path == prefix or path.startswith(prefix + b"/"):
        return path
    is_below = strips_prefix and path.startswith(b"/")
    return prefix + path.rstrip(b"/") if is_below else prefix


def _name(part: bytes) -> bytes:
    return part.partition(b"=")[0].strip().lower()
