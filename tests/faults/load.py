"""Students in numbers: a client so plain that hundreds of them cost little, which notes exactly how each answer ended.

It speaks HTTP by hand, because what matters here is what libraries hide: whether a stream was ended or cut off.
"""

import asyncio
import itertools
import json
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

PATIENCE = 60.0

End = Literal[
    "unanswered",  # no answer began
    "refused",  # an error, whole
    "whole",  # a plain answer, whole
    "done",  # a stream, to [DONE]
    "error",  # a stream that ended with an error event
    "clean",  # a stream that ended as if complete, without either: a lie
    "cut",  # an answer that began and broke off
    "left",  # the client went
    "stuck",  # nothing came for too long
]


MARK = re.compile(r"quince-\d+-x")  # a word that no text of ours contains, with a number: whose words these are
_numbers = itertools.count(1)


def new_prompt() -> str:
    """A prompt that is known by its mark, wherever it turns up."""
    return f"quince-{next(_numbers)}-x please explain recursion"


@dataclass(frozen=True, slots=True)
class Student:
    """Who asks, and where."""

    port: int
    key: str
    model: str


@dataclass(slots=True)
class Transcript:
    """What one client sent, what it received, and how that ended."""

    prompt: str
    is_stream: bool
    key: str
    repeat_key: str = ""  # the Idempotency-Key that went along
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)  # without the framing
    end: End = "unanswered"
    started: float = 0.0
    first_byte: float | None = None  # when the answer's head was there
    ended: float = 0.0

    @property
    def call(self) -> str:
        """The one whose answer it is, which for a repeated request may be that of another attempt."""
        return self.headers.get("x-gateway-replayed") or self.headers.get("x-request-id", "")

    @property
    def events(self) -> list[str]:
        """The data of whole events."""
        whole = self.body.decode(errors="replace").split("\n\n")[:-1]
        return [event.removeprefix("data: ") for event in whole if event.startswith("data: ")]

    @property
    def text(self) -> str:
        """What a person would have read."""
        if not self.is_stream:
            return str(json.loads(self.body)["choices"][0]["message"]["content"]) if self.end == "whole" else ""
        chunks = [json.loads(event) for event in self.events if event != "[DONE]"]
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def code(self) -> str:
        """The code of the error that it ended with, if it did."""
        if self.end not in ("refused", "error"):
            return ""
        content = self.body if self.end == "refused" else self.events[-1]
        try:
            return str(json.loads(content)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return "unreadable"


def is_after(events: int) -> Callable[[Transcript], bool]:
    """For `leave`: once so many events are there."""
    return lambda transcript: transcript.body.count(b"\n\n") >= events


async def ask(
    student: Student,
    prompt: str = "",
    *,
    stream: bool = True,
    leave: Callable[[Transcript], bool] | None = None,
    pause: Callable[[Transcript], float] | None = None,
    patience: float = PATIENCE,
    attempt: int = 0,
    repeat_key: str = "",
    **options: Any,
) -> Transcript:
    """Ask once, on a connection of its own. `leave`: whether to go, asked after each piece. Cancelled, it goes too.

    `attempt` is how often it has been asked before, which official clients say.
    """
    prompt = prompt or new_prompt()
    said = Transcript(prompt, stream, student.key, repeat_key, started=time.monotonic())
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(patience):
            reader, writer = await _connect(student.port, is_slow=pause is not None)
            writer.write(request(student, prompt, stream=stream, attempt=attempt, repeat_key=repeat_key, **options))
            await _read_head(reader, said)
            said.end = "cut"  # unless better is seen
            async for piece in _pieces(reader, said):
                said.body += piece
                if leave is not None and leave(said):
                    said.end = "left"
                    return said
                if pause is not None:
                    await asyncio.sleep(pause(said))
            said.end = _whole_end(said)
    except TimeoutError:
        said.end = "stuck"
    except asyncio.CancelledError:
        said.end = "left"
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        said.ended = time.monotonic()
        if writer is not None:
            writer.transport.abort()
    return said


async def _connect(port: int, *, is_slow: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; a slow client's takes in little ahead of it, or its kernel would read megabytes on its behalf."""
    connection = socket.socket()
    connection.setblocking(False)
    if is_slow:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=connection)
    except BaseException:
        connection.close()
        raise


def request(
    student: Student, prompt: str, *, stream: bool = True, attempt: int = 0, repeat_key: str = "", **options: Any
) -> bytes:
    """The bytes of a chat completion request."""
    asked = {"model": student.model, "messages": [{"role": "user", "content": prompt}], "stream": stream, **options}
    body = json.dumps(asked).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {student.key}\r\nContent-Length: {len(body)}\r\n"
        f"X-Stainless-Retry-Count: {attempt}\r\n"
    )
    head += f"Idempotency-Key: {repeat_key}\r\n\r\n" if repeat_key else "\r\n"
    return head.encode() + body


async def _read_head(reader: asyncio.StreamReader, said: Transcript) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    said.status = int(first.split(" ", 2)[1])
    said.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    said.first_byte = time.monotonic()


async def _pieces(reader: asyncio.StreamReader, said: Transcript) -> Any:
    """The body as it comes, to its proper end. Raises IncompleteReadError if it breaks off before."""
    if "content-length" in said.headers:
        yield await reader.readexactly(int(said.headers["content-length"]))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]


def _whole_end(said: Transcript) -> End:
    if said.status != 200:
        return "refused"
    if not said.is_stream:
        return "whole"
    last = said.events[-1] if said.events else ""
    if last == "[DONE]":
        return "done"
    return "error" if last.startswith('{"error"') else "clean"


async def all_at_once(asking: Iterable[Any], *, over: float = 0.0) -> list[Transcript]:
    """Many clients, begun evenly over some seconds; what each of them got."""
    waiting = list(asking)
    pause = over / max(1, len(waiting))

    async def begin(number: int, one: Any) -> Transcript:
        await asyncio.sleep(number * pause)
        transcript: Transcript = await one
        return transcript

    return list(await asyncio.gather(*(begin(number, one) for number, one in enumerate(waiting))))


def percentile(seconds: Iterable[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
