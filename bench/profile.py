"""`make profile`: where the time of a call goes, in microseconds for each stage, and how many Python calls it takes.

Times are those of the fastest tenth of 800 requests by a single client, which a busy machine disturbs least. Counts are
medians, and do not depend on the machine. The floor's figures are printed beside Stoa's.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import world
from bench.inside import LEDGER, LOOP, OTHERS, Figures
from bench.load import wrk
from bench.stages import STAGES
from bench.timers import ELSEWHERE

WAITERS, SECONDS = 64, 4
Look = Callable[[str, str], list[Figures]]


def main() -> None:
    with (
        world.alone(),
        tempfile.TemporaryDirectory(prefix="stoa-bench-") as directory,
        world.upstream() as upstream_port,
    ):
        site = world.site(Path(directory), upstream_port=upstream_port)

        def look(server: str, how: str) -> list[Figures]:
            return _look_inside(server, how, site, upstream_port)

        _print_stages(look)
        _print_batches(look)


def _look_inside(server: str, how: str, site: world.Site, upstream_port: int) -> list[Figures]:
    port, own = world.free_port(), site.environment if server == "stoa" else {}
    command = [sys.executable, "-m", "bench.inside", server, how, str(port), str(upstream_port)]
    environment = {**os.environ, **own, "BENCH_KEY": site.key}
    with subprocess.Popen(
        command, cwd=world.ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        if how == "batches":
            process.stdout.readline()
            for clients in (1, WAITERS):
                wrk(port, site.key, clients=clients, seconds=SECONDS)
        output, _ = process.communicate("\n")
    if not output:
        sys.exit(f"{server} could not be looked at.")
    figures: list[Figures] = json.loads(output.splitlines()[-1])
    return figures


def _print_stages(look: Look) -> None:
    cpu, times, calls = look("stoa", "cpu"), look("stoa", "stages"), look("stoa", "calls")
    floor_cpu, floor_calls = look("floor", "cpu"), look("floor", "calls")
    print(f"{'':34}{'plain':>10}{'':9}{'80 chunks':>12}")
    print(f"{'the loop, of which':34}{'us':>10}{'calls':>9}{'us':>12}{'calls':>9}")
    for stage in (*STAGES, ELSEWHERE):
        _print_row(f"  {stage}", [figures.get(stage, 0) for figures in times], [one.get(stage, 0) for one in calls])
    for name in (LOOP, LEDGER, OTHERS):
        _print_row(f"Stoa, {name}", [one[name] for one in cpu], [one[name] for one in calls])
    for name in (LOOP, LEDGER, OTHERS):
        _print_row(f"the floor, {name}", [one[name] for one in floor_cpu], [one[name] for one in floor_calls])
    for stage in STAGES:
        if not any(figures.get(stage) for figures in times):
            print(f"Nothing enters '{stage}' any more: adapt bench/stages.py")


def _print_row(name: str, times: Sequence[float], calls: Sequence[float]) -> None:
    print(f"{name:34}{times[0]:10.0f}{calls[0]:9.0f}{times[1]:12.0f}{calls[1]:9.0f}")


def _print_batches(look: Look) -> None:
    print(f"\n{'a pair in the ledger, us':34}{'Stoa':>10}{'floor':>10}{'batches seen':>16}")
    stoa, floor = look("stoa", "batches"), look("floor", "batches")
    for size in sorted({figures["batch"] for figures in stoa}):
        one = next(figures for figures in stoa if figures["batch"] == size)
        other = next((figures["pair"] for figures in floor if figures["batch"] == size), float("nan"))
        print(f"{f'  in a batch of {size:.0f}':34}{one['pair']:10.0f}{other:10.0f}{one['seen']:16.0f}")


if __name__ == "__main__":
    main()
