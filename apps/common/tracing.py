"""Trace context (W3C): one id that follows a request from the client's systems through ours to the provider's. Pure.

It identifies a trace and nothing else: it contains no student, course or key.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from apps.common import spans
from apps.common.ids import random_hex

MAX_MEMBERS = 32
MAX_STATE = 512

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(
    rb"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x21-\x2b\x2d-\x3c\x3e-\x7e\x20]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_SAMPLED = 1


class Trace(NamedTuple):
    """The trace that a request belongs to. `state` is what other systems have added to it, `parent` the span of theirs
    in which they asked; empty if the trace begins here."""

    id: str
    is_sampled: bool = False
    state: str = ""
    parent: str = ""

    @property
    def may_be_sampled(self) -> bool:
        """Whether its client sampled it, or there is none that could have."""
        return self.is_sampled or not self.parent

    def headers(self) -> dict[str, str]:
        """The headers of a request of ours within the trace: in the span at hand, or else in a new one."""
        span = spans.current_id()
        headers = {"traceparent": f"00-{self.id}-{span or random_hex(64)}-{int(self.is_sampled or bool(span)):02x}"}
        if self.state:
            headers["tracestate"] = self.state
        return headers


# The trace of the request that the running task works on, for log lines only. Tasks inherit it from the task that
# starts them.
current: ContextVar[Trace | None] = ContextVar("trace", default=None)
# The same for the id of the request, or of the task of a worker.
request_id: ContextVar[str] = ContextVar("request_id", default="")


@contextmanager
def at_work_on(id: str, trace: Trace) -> Iterator[None]:
    """Lines of the log have these ids within the block."""
    tokens = request_id.set(id), current.set(trace)
    try:
        yield
    finally:
        request_id.reset(tokens[0])
        current.reset(tokens[1])


def begun() -> Trace:
    return Trace(random_hex(128))


def continued(headers: Iterable[tuple[bytes, bytes]]) -> Trace:
    """The trace that a request's headers name, or a new one. Header names must be in lower case."""
    parents, states = [], []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    found = _PARENT.fullmatch(parents[0].strip()) if len(parents) == 1 else None
    if found is None or not _is_valid(*found.group(1, 2, 3, 5)):
        return begun()
    return Trace(found[2].decode(), bool(int(found[4], 16) & _SAMPLED), _bounded(states), found[3].decode())


def _is_valid(version: bytes, trace: bytes, span: bytes, rest: bytes | None) -> bool:
    """Later versions may have more fields, this one may not. Ids of only zeros, and version ff, are invalid."""
    return version != b"ff" and not (version == b"00" and rest) and bool(trace.strip(b"0") and span.strip(b"0"))


def _bounded(states: list[bytes]) -> str:
    """As many whole members as fit, the latest first, as they came. Empty if one of them is malformed."""
    members = [member.strip(b" \t") for member in b",".join(states).split(b",")]
    kept = [member for member in members if member]
    if len(kept) > MAX_MEMBERS or not all(map(_MEMBER.fullmatch, kept)):
        return ""
    while len(b",".join(kept)) > MAX_STATE:
        kept.pop()
    return b",".join(kept).decode()
