"""What Stoa calls itself in Via, by which a request that comes back to the same service is noticed."""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from django.conf import settings

from apps.common.errors import UpstreamFailed

_HOP = re.compile(rb"[\w.!#$%&'*+^`|~-]+(?:/[\w.!#$%&'*+^`|~-]+)?[ \t]+([^\s,()]+)", re.ASCII)


@lru_cache(maxsize=1024)
def via(service: int) -> bytes:
    """The hop that a request to this service passes here. Another Stoa, with another secret, has another name."""
    return b"1.1 " + _name(service)


def _name(service: int) -> bytes:
    house = hashlib.sha256(b"via" + settings.SECRET_KEY.encode()).hexdigest()[:8]
    return f"stoa-{house}-{service}".encode()


def refuse_loops(service: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise UpstreamFailed for a request that has been on its way to this service already."""
    hops = [value for name, value in headers if name == b"via"]
    if hops and _name(service).lower() in (hop.lower() for hop in _HOP.findall(b",".join(hops))):
        raise UpstreamFailed(
            "loop",
            "This request comes back to where it has been. One of the instances of the service leads to Stoa itself; "
            "its operator removes it.",
            status=508,
            headers={"x-should-retry": "false"},
        )
