"""Spans: what takes time in a request, for tracing. Pure; `record_with` installs what keeps and sends them.

Without a recorder, and in a request that is not sampled, a span is one object that does nothing. Spans have names and
numbers of ours alone: no person, no key, no path, no text of anybody's.
"""

import random
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Literal, Protocol

Kind = Literal["server", "client", "internal"]
Value = str | int | float | bool
MOST_SAMPLED: Final = 0.1
_rng = random.Random()  # noqa: S311  # which requests are sampled need not be unpredictable


class Recording(Protocol):
    """A span that somebody keeps. `id` is that of the span, in hexadecimal."""

    id: str

    def name(self, name: str) -> None: ...
    def set(self, name: str, value: Value) -> None: ...
    def end(self, *, error: str = "") -> None: ...


class Recorder(Protocol):
    """Keeps spans and sends them, without ever keeping anybody waiting."""

    def begin(
        self, name: str, kind: Kind, *, trace: str, remote: str = "", parent: Recording | None = None
    ) -> Recording: ...


_recorder: Recorder | None = None
_share = 0.0
_current: "ContextVar[tuple[str, Recording] | None]" = ContextVar("span", default=None)  # with the id of its trace


def record_with(recorder: Recorder | None, *, share: float = MOST_SAMPLED) -> None:
    """Sample this share of all requests, at most a tenth, from now on. None: none."""
    global _recorder, _share
    _recorder, _share = recorder, min(share, MOST_SAMPLED)


class TraceSpan:
    """A context manager: it ends with its block. An exception fails it, and is named by its class alone."""

    __slots__ = ("_recording", "_token", "_trace")

    def __init__(self, recording: Recording | None, trace: str = "") -> None:
        self._recording, self._trace = recording, trace
        self._token: Token[tuple[str, Recording] | None] | None = None

    def set(self, **attributes: Value) -> None:
        """`gen_ai__request__model` is written `gen_ai.request.model`."""
        if self._recording is not None:
            for name, value in attributes.items():
                self._recording.set(name.replace("__", "."), value)

    def name(self, name: str) -> None:
        if self._recording is not None:
            self._recording.name(name)

    def end(self, *, error: str = "") -> None:
        """For what ends elsewhere than it began. Harmless when repeated."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.end(error=error)

    def __enter__(self) -> "TraceSpan":
        if self._recording is not None:
            self._token = _current.set((self._trace, self._recording))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            _current.reset(token)
        self.end(error=kind.__name__ if kind is not None else "")


NOTHING: Final = TraceSpan(None)


def request(name: str, *, trace: str, remote: str = "", may_sample: bool = True) -> TraceSpan:
    """The span of a whole request or task, if it is sampled.

    Chance decides, so that no client has more of its requests sampled than others; one may have none.
    """
    if _recorder is None or not may_sample or _rng.random() >= _share:
        return NOTHING
    return TraceSpan(_recorder.begin(name, "server", trace=trace, remote=remote), trace)


def stage(name: str, kind: Kind = "internal") -> TraceSpan:
    """A span in that of the request at hand."""
    found = _current.get()
    if found is None or _recorder is None:
        return NOTHING
    return TraceSpan(_recorder.begin(name, kind, trace=found[0], parent=found[1]), found[0])


def current_id() -> str:
    """The id of the span at hand; empty if there is none."""
    found = _current.get()
    return found[1].id if found is not None else ""


class InSpan:
    """What leaves in this block belongs to the span, which goes on behind it."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: TraceSpan) -> None:
        self._span = span
        self._token: Token[tuple[str, Recording] | None] | None = None

    def __enter__(self) -> None:
        if (recording := self._span._recording) is not None:
            self._token = _current.set((self._span._trace, recording))

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)
