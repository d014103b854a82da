"""What `make bench` measures, in which order, and what each row is to hold."""

import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from bench.figures import Row, at_least, at_most, compared
from bench.load import Server, Slice, load
from bench.streams import Streams, hold, resident_kb
from bench.world import ROOT, Site, standing_still, wait_until_idle

LOADS: dict[str, dict[str, Any]] = {
    "one client": {"clients": 1},
    "plain": {"clients": 32},
    "streams": {"clients": 32, "is_stream": True},
}
Turns = dict[str, list[tuple[Slice, Slice]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How often both are measured in turns, and for how long each time."""

    turns: int
    seconds: int


def speed(floor: Server, stoa: Server, extent: Extent) -> tuple[list[Row], Turns]:
    """The rows of how fast answers come, and the slices that they are made of: the floor's and Stoa's."""
    for server in (floor, stoa):
        load(server, clients=8, seconds=1)
    turns: Turns = defaultdict(list)
    for _ in range(extent.turns):
        _turn(floor, stoa, extent.seconds, turns)
    return _speed_rows(turns), turns


def _turn(floor: Server, stoa: Server, seconds: int, turns: Turns) -> None:
    for name, kind in LOADS.items():
        if name == "one client":
            wait_until_idle(stoa)  # or its worker would still drain what came before
        with standing_still(stoa):
            of_floor = load(floor, seconds=seconds, **kind)
        turns[name].append((of_floor, load(stoa, seconds=seconds, **kind)))
    turns["draining"].append((turns["one client"][-1][0], load(stoa, seconds=seconds, clients=1)))


def _speed_rows(turns: Turns) -> list[Row]:
    def pairs(name: str, figure: str) -> list[tuple[float, float]]:
        return [(getattr(floor, figure), getattr(stoa, figure)) for floor, stoa in turns[name]]

    tails = [(floor.p99 / floor.p50, stoa.p99 / stoa.p50) for floor, stoa in turns["draining"]]
    return [
        compared(
            "plain requests, 32 clients", pairs("plain", "rps"), "/s", at_least(0.85, goal=1), is_more_better=True
        ),
        compared(
            "80-chunk streams, 32 clients", pairs("streams", "rps"), "/s", at_least(0.9, goal=1), is_more_better=True
        ),
        compared("one client, p50", pairs("one client", "p50"), "ms", at_most(1.2, goal=1.05)),
        compared("one client while draining, p99 / p50", tails, "x", at_most(4, goal=2, of_ratio=False), is_tail=True),
        compared("CPU of a plain request, 32 clients", pairs("plain", "cpu"), "us"),
        compared("CPU of a stream, 32 clients", pairs("streams", "cpu"), "us"),
        compared("CPU of a request, one client", pairs("one client", "cpu"), "us"),
    ]


def memory(floor: Server, stoa: Server, *, role: str, limit: float) -> Row:
    """To be called before the first request."""
    pair = (resident_kb(floor.pid) / 1024, resident_kb(stoa.pid) / 1024)
    return compared(f"memory at rest, role {role}", [pair], "MB", at_most(limit, of_ratio=False))


def memory_of_role_data(floor: Server, site: Site) -> Row:
    with site.run(role="data") as stoa:
        return memory(floor, stoa, role="data", limit=95)


def ledger(*, turns: int, seconds: float) -> Row:
    """Pairs of reserve and settle beside a bare SQLite's, in a process of its own."""
    command = [sys.executable, "-m", "bench.ledger", str(seconds), "--turns", str(turns)]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    pairs: list[tuple[float, float]] = json.loads(output.splitlines()[-1])
    bound = at_least(0.6, enough=20_000)
    return compared("ledger, 64 waiters", pairs, "pairs/s", bound, is_more_better=True)


def open_streams(floor: Server, stoa: Server) -> list[Row]:
    """What streams cost that are open at once: the wait for their first byte, and memory."""
    rest = resident_kb(floor.pid), resident_kb(stoa.pid)
    spike = _hold(floor, stoa, count=200, within=10)
    many = _hold(floor, stoa, count=1000, within=2)
    most = _hold(floor, stoa, count=2000, within=4, is_official=True, rest_kb=rest)
    kept = "2,000 streams whose answers are kept"
    return [
        _complete("200 streams in 10 s", spike),
        compared("200 streams in 10 s, first byte p50", [_both(spike, "first_byte_p50")], "ms"),
        compared(
            "200 streams in 10 s, first byte p95", [_both(spike, "first_byte_p95")], "ms", at_most(100, of_ratio=False)
        ),
        _complete("1,000 open streams", many),
        compared("1,000 open streams, each", [_both(many, "per_stream_kb")], "kB", at_most(60, of_ratio=False)),
        _complete(kept, most),
        compared(f"{kept}, each", [_both(most, "per_stream_kb")], "kB"),
    ]


def _hold(
    floor: Server, stoa: Server, *, rest_kb: tuple[int, int] | tuple[None, None] = (None, None), **kinds: Any
) -> tuple[Streams, Streams]:
    with standing_still(stoa):
        of_floor = _streams(floor, rest_kb=rest_kb[0], **kinds)
    return of_floor, _streams(stoa, rest_kb=rest_kb[1], **kinds)


def _streams(server: Server, **kinds: Any) -> Streams:
    return asyncio.run(hold(port=server.port, key=server.key, model="slow", pid=server.pid, **kinds))


def _complete(name: str, streams: tuple[Streams, Streams]) -> Row:
    bound = at_least(streams[1].opened, of_ratio=False)
    return compared(f"{name}, complete", [_both(streams, "complete")], "", bound, is_more_better=True)


def _both(streams: tuple[Streams, Streams], figure: str) -> tuple[float, float]:
    floor, stoa = streams
    return getattr(floor, figure), getattr(stoa, figure)
