"""Requests at a steady rate, whatever the server does: what a wait in a queue costs is seen."""

import asyncio
import time

import uvloop

from bench.load import Server

CONNECTIONS = 32


def p95(server: Server, path: str, *, rate: float, seconds: float) -> float:
    """Milliseconds from when a request was due to the end of its answer."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        times = sorted(runner.run(_all(server, path, rate=rate, seconds=seconds)))
    return times[int(len(times) * 0.95)] * 1000


async def _all(server: Server, path: str, *, rate: float, seconds: float) -> list[float]:
    began = time.perf_counter() + 0.1
    dues = [began + number / rate for number in range(int(rate * seconds))]
    lists = await asyncio.gather(*(_one(server, path, dues[number::CONNECTIONS]) for number in range(CONNECTIONS)))
    return [seconds for times in lists for seconds in times]


async def _one(server: Server, path: str, dues: list[float]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {server.key}\r\n\r\n".encode()
    times = []
    for due in dues:
        await asyncio.sleep(due - time.perf_counter())
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{server.name} answered {head[:200]!r}")
        await reader.readexactly(1024)
        times.append(time.perf_counter() - due)
    writer.close()
    return times
