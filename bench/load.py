"""One slice of load: what wrk sees of a server, and what the server's process computes meanwhile."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("chat.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process that answers chat completions."""

    name: str
    port: int
    key: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What came of it: requests a second, latencies in milliseconds, and CPU in microseconds for each request."""

    rps: float
    p50: float
    p99: float
    cpu: float


def load(server: Server, *, clients: int, seconds: float, is_stream: bool = False, target: str = "") -> Slice:
    """Ask again and again, so many clients at once: chat, or a GET of `target`. Ends the program if a request fails."""
    before = cpu_seconds(server.pid)
    result = wrk(server.port, server.key, clients=clients, seconds=seconds, is_stream=is_stream, target=target)
    spent = cpu_seconds(server.pid) - before
    if result["bad"]:
        sys.exit(f"{result['bad']:.0f} requests to {server.name} failed: figures of failures are worth nothing.")
    return Slice(rps=result["rps"], p50=result["p50"], p99=result["p99"], cpu=spent / result["requests"] * 1e6)


def wrk(
    port: int, key: str, *, clients: int, seconds: float, is_stream: bool = False, target: str = ""
) -> dict[str, float]:
    """What wrk prints: requests, rps, p50, p99 and bad."""
    environment = {**os.environ, "KEY": key, "MODEL": "mock", "STREAM": "1" if is_stream else ""}
    if target:
        environment["TARGET"] = target
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}", "-s", str(SCRIPT), f"http://127.0.0.1:{port}"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return result


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have computed until now. Linux numbers the clocks of processes in this way."""
    return time.clock_gettime((~pid << 3) | 2)


def thread_seconds(native_id: int | None) -> float:
    """The same of one thread; nothing of one that has not begun, or has just ended."""
    try:
        return time.clock_gettime((~native_id << 3) | 6) if native_id else 0.0
    except OSError:
        return 0.0
