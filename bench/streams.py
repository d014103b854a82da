"""Hold many chat streams open at once: how many complete, how soon they begin, and what they cost in memory."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Streams:
    """The outcome. Times are in milliseconds, memory in kilobytes."""

    opened: int
    complete: int
    first_byte_p50: float
    first_byte_p95: float
    per_stream_kb: float


def resident_kb(pid: int) -> int:
    """Memory of a process and all it started."""
    total = 0
    for process in (pid, *descendants(pid)):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


def descendants(pid: int) -> list[int]:
    """All processes that a process and its children have started."""
    found, queue = [], [pid]
    while queue:
        for task in Path(f"/proc/{queue.pop()}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                children = [int(child) for child in (task / "children").read_text().split()]
                found += children
                queue += children
    return found


async def _one(port: int, key: str, model: str, extra: bytes) -> tuple[bool, float]:
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "count"}]}).encode()
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
        b"content-type: application/json\r\n"
        b"authorization: Bearer %s\r\ncontent-length: %d\r\n%s\r\n%s" % (key.encode(), len(body), extra, body)
    )
    first = await reader.read(65536)
    seconds = time.perf_counter() - started
    tail = first
    while chunk := await reader.read(65536):
        tail = (tail + chunk)[-200:]
    writer.close()
    return b"data: [DONE]" in tail, seconds * 1000


async def hold(
    *,
    port: int,
    key: str,
    model: str,
    count: int,
    within: float,
    pid: int,
    is_official: bool = False,
    rest_kb: int | None = None,
) -> Streams:
    """Open `count` streams within so many seconds and read all of them to their end.

    Official clients number their attempts, so that their answers are kept in case they ask again. Memory is counted
    beyond `rest_kb`; without it, beyond what the process has already.
    """
    extra = b"x-stainless-retry-count: 0\r\n" if is_official else b""
    peak = resident_kb(pid)
    before = peak if rest_kb is None else rest_kb
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(_one(port, key, model, extra)))
        if number % 10 == 9:
            await asyncio.sleep(within * 10 / count)
    while not all(task.done() for task in tasks):
        peak = max(peak, resident_kb(pid))
        await asyncio.sleep(0.2)
    results = [task.result() for task in tasks if task.exception() is None]
    times = sorted(milliseconds for ok, milliseconds in results if ok) or [0.0]
    return Streams(
        opened=count,
        complete=sum(ok for ok, _ in results),
        first_byte_p50=times[len(times) // 2],
        first_byte_p95=times[int(len(times) * 0.95)],
        per_stream_kb=(peak - before) / count,
    )
