"""`make bench`: Stoa with everything on, in the same minute as the floor, and every figure as a ratio to it.

Everything on means: a key, ten rules, three limited accounts in the ledger, calls recorded, text spooled and drained.
Starts an upstream, the floor and Stoa with a data directory of its own, on free ports, and stops them at the end. The
two are measured in turns, slice by slice, so that a machine that becomes slower does so for both.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import measuring, world
from bench.figures import Row, fallen, keep, read_kept, table
from bench.measuring import Extent, Turns

KEPT = Path(__file__).with_name("kept.json")
RESULTS = Path(__file__).with_name("results")
QUICK = Extent(turns=7, seconds=1)
FULL = Extent(turns=9, seconds=3)


def main() -> None:
    options = argparse.ArgumentParser(prog="make bench", usage='make bench [ARGS="--quick --keep"]')
    options.add_argument("--quick", action="store_true", help="about a minute: speed alone")
    options.add_argument("--keep", action="store_true", help="keep the ratios, for later runs to be compared with")
    chosen = options.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("The benchmark needs wrk: apt-get install wrk")
    began = datetime.now(UTC)
    rows, turns = _measure(is_quick=chosen.quick)
    print(
        f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; above 4, trust CPU alone"
    )
    _print(rows)
    about = {"measured": began.isoformat(timespec="seconds"), "commit": commit()}
    _write(rows, turns, about)
    if chosen.keep:
        keep(KEPT, rows, about=about)


def _measure(*, is_quick: bool) -> tuple[list[Row], Turns]:
    with (
        world.alone(),
        tempfile.TemporaryDirectory(prefix="stoa-bench-") as directory,
        world.upstream() as upstream_port,
        world.floor(upstream_port=upstream_port) as floor,
    ):
        site = world.site(Path(directory), upstream_port=upstream_port)
        before = [] if is_quick else [measuring.memory_of_role_data(floor, site)]
        with site.run() as stoa:
            at_rest = measuring.memory(floor, stoa, role="all", limit=110)
            rows, turns = measuring.speed(floor, stoa, QUICK if is_quick else FULL)
            after = [] if is_quick else measuring.open_streams(floor, stoa)
        print(site.manage("audit_ledger").splitlines()[-1])
        paired = measuring.ledger(turns=6, seconds=0.5) if is_quick else measuring.ledger(turns=7, seconds=2)
    return [*rows, paired, at_rest, *before, *after], turns


def _print(rows: list[Row]) -> None:
    kept = read_kept(KEPT)
    print(table(rows, kept))
    for sentence in fallen(rows, kept):
        print(f"FELL: {sentence}")


def _write(rows: list[Row], turns: Turns, about: dict[str, Any]) -> None:
    """Keep everything that was seen, for whoever wants to look again; git ignores it."""
    slices = {name: [[asdict(floor), asdict(stoa)] for floor, stoa in pairs] for name, pairs in turns.items()}
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{about['measured'][:19].replace(':', '-')}.json"
    file.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows], "slices": slices}, indent=1))


def commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=world.ROOT, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
