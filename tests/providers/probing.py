"""Asking a provider, with a key that no finding may repeat."""

from typing import Any

from apps.providers.probes.asking import Probe, Subject, ask
from tests.common.relay.raw import Peer, Script

KEY = "sk-secret-of-the-test"


def subject(base_url: str, **overrides: Any) -> Subject:
    values: dict[str, Any] = {
        "provider_id": 1,
        "provider": "campus",
        "base_url": base_url,
        "allow_private": True,
        "headers": {"authorization": f"Bearer {KEY}", "x-title": "Stoa"},
        "secret": KEY,
    }
    return Subject(**{**values, **overrides})


async def found(base_url: str, *, seconds: float = 30, **overrides: Any) -> Probe:
    probe = await ask(subject(base_url, **overrides), seconds=seconds)
    assert KEY not in repr(probe)
    return probe


def routed(answers: dict[bytes, bytes]) -> Script:
    """A server that knows these paths only."""

    async def script(peer: Peer) -> None:
        while True:
            path = (await peer.request()).split(b" ")[1]
            status, body = (b"200 OK", answers[path]) if path in answers else (b"404 Not Found", b"<html>none</html>")
            await peer.send(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))

    return script
