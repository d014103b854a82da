"""The body of a request on its way to an instance: kept, where it is short, or passed on as it arrives."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, Protocol

from apps.services.arrivals import IncomingBody


class AnswerLimit(Protocol):
    """The time that an instance has to begin its answer. It does not run while the caller's next piece is awaited."""

    is_held: bool

    def hold(self) -> None: ...

    def go_on(self) -> None: ...


class _Endless:
    is_held = False

    def hold(self) -> None: ...

    def go_on(self) -> None: ...


ENDLESS: Final = _Endless()


class SendableBody:
    """`whole` is all of it, if that was kept. Otherwise iterate over it, which works once.

    `patience` is that of the attempt under way.
    """

    def __init__(self, *, length: int | None, whole: bytes | None, pieces: AsyncGenerator[bytes] | None) -> None:
        self.length, self.whole = length, whole
        self.patience: AnswerLimit = ENDLESS
        self.is_awaited = False  # the caller's next piece
        self.received = 0 if whole is None else len(whole)  # bytes
        self._first: list[bytes] = []
        self._rest = pieces
        self._is_used_up = False

    @property
    def can_be_sent(self) -> bool:
        """Whether nothing of it has gone anywhere, or all of it is still here."""
        return self.whole is not None or not self._is_used_up

    def put_back(self, pieces: list[bytes]) -> None:
        """Begin with these, which were taken to see how much there is."""
        self._first = pieces
        self.received = sum(map(len, pieces))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._is_used_up = True
        assert self._rest is not None  # noqa: S101  # nobody iterates over what is whole
        async with aclosing(self._rest) as rest:  # so that the arriving body learns that nobody wants more of it
            for piece in self._first:
                yield piece
            self._first.clear()
            while piece := await self._next(rest):
                self.received += len(piece)
                yield piece

    async def _next(self, rest: AsyncIterator[bytes]) -> bytes:
        self.is_awaited = True
        self.patience.hold()
        try:
            return await anext(rest, b"")
        finally:
            self.is_awaited = False
            self.patience.go_on()


async def sendable(body: IncomingBody, *, keeps: int, is_repeatable: bool) -> SendableBody:
    """Receive a body that is at most so long, and begin with a longer one. Raises what the body raises.

    One without a length is only waited for if it may have to be sent again: its caller may want an answer to its
    beginning.
    """
    if body.length == 0:
        return SendableBody(length=0, whole=b"", pieces=None)
    pieces = aiter(body)
    if body.length is not None and body.length <= keeps:
        return _kept([piece async for piece in pieces])
    begun = SendableBody(length=body.length, whole=None, pieces=pieces)
    if body.length is None and is_repeatable:
        first, size = [], 0
        async for piece in pieces:
            first.append(piece)
            size += len(piece)
            if size > keeps:
                begun.put_back(first)
                return begun
        return _kept(first)
    return begun


def _kept(pieces: list[bytes]) -> SendableBody:
    whole = b"".join(pieces)
    return SendableBody(length=len(whole), whole=whole, pieces=None)
