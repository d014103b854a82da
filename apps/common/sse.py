"""Server-sent events as bytes. Pure."""

from apps.common.lenient_json import BYTE_ORDER_MARK

_FIELDS = (b"event", b"id", b"retry", b"data")


class EventTooLong(ValueError):
    pass


def joined(events: list[bytes]) -> bytes:
    return b"\n\n".join(events) + b"\n\n" if events else b""


def data_of(event: bytes) -> bytes | None:
    """The data lines of an event, joined; None if it has none."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def is_text(event: bytes) -> bool:
    """Whether it is UTF-8, as a stream of events must be."""
    try:
        event.decode()
    except UnicodeDecodeError:
        return False
    return True


def name_of(event: bytes) -> bytes:
    """What an event calls itself; empty for most."""
    names = [line[6:].strip() for line in event.split(b"\n") if line.startswith(b"event:")]
    return names[-1] if names else b""


def has_other_lines(event: bytes) -> bool:
    """Whether it has lines that clients skip since they are neither fields nor comments."""
    return any(line.strip() and line.partition(b":")[0] not in (b"", *_FIELDS) for line in event.split(b"\n"))


class EventSplitter:
    """Splits a stream into events. Lines may end with LF, CR or CRLF, and chunks at any byte."""

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._rest: list[bytes] = []  # of the event that is not complete yet
        self._rest_size = 0
        self._last = b""
        self._is_after_cr = False
        self._start: bytes | None = b""  # the first bytes, until they cannot be a byte order mark

    @property
    def is_between(self) -> bool:
        """True if the next byte begins an event."""
        return not self._rest and not self._is_after_cr

    @property
    def rest(self) -> bytes:
        """What has come of an event that is not complete."""
        return (self._start or b"") + b"".join(self._rest)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes, without their blank lines. Raises EventTooLong."""
        if self._start is not None:
            chunk = self._without_mark(self._start + chunk)
        if not self._rest and not self._is_after_cr and chunk.endswith(b"\n\n") and b"\r" not in chunk:
            return chunk[:-2].split(b"\n\n")  # the usual case
        piece = self._with_one_line_end(chunk)
        is_end_in = b"\n\n" in self._last + piece
        # Pieces are joined only once an event is complete, since a long one may come in many.
        self._rest.append(piece)
        self._rest_size += len(piece)
        self._last = piece[-1:] or self._last
        if not is_end_in:
            if self._rest_size > self._longest:
                raise EventTooLong(f"An event is longer than {self._longest} bytes.")
            return []
        whole, _, rest = b"".join(self._rest).rpartition(b"\n\n")
        self._rest, self._rest_size, self._last = [rest] if rest else [], len(rest), rest[-1:]
        return whole.split(b"\n\n")

    def _without_mark(self, start: bytes) -> bytes:
        """The first bytes, without a byte order mark. Nothing as long as they may be the beginning of one."""
        if len(start) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(BYTE_ORDER_MARK)

    def _with_one_line_end(self, chunk: bytes) -> bytes:
        """The chunk with LF for CR and CRLF. A CR at its end counts at once, and an LF that follows it is dropped."""
        piece = chunk[1:] if self._is_after_cr and chunk.startswith(b"\n") else chunk
        if chunk:
            self._is_after_cr = chunk.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in piece else piece
