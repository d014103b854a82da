"""Calls that compete for the last of a course's week: exactly as many as fit are admitted, whoever asks, and where."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.common.commit import Writer
from apps.quotas.models import WeeklyUsage
from tests.live import manage
from tests.quotas.rival import AMOUNT, PATIENCE, rush, settle

COURSE = 1
PROCESSES, CALLS, FIT = 4, 50, 60
LIMIT = FIT * AMOUNT + AMOUNT - 1
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


# On a database of the test's own: a gateway on that of the run would look after holds that nobody answers for.


@pytest.fixture
def writer(data_dir: Path) -> Iterator[Writer]:
    writer = Writer(name="rivals")
    writer.start()
    yield writer
    writer.stop()


def week() -> tuple[int, int]:
    row = WeeklyUsage.objects.get(kind="course", account=COURSE)
    return row.used, row.held


async def test_calls_of_one_process_are_admitted_as_long_as_there_is_room(writer: Writer) -> None:
    calls = PROCESSES * CALLS

    admitted = await rush(writer, course=COURSE, limit=LIMIT, student=1, calls=calls, now=NOW)

    assert len(admitted) == FIT


def test_what_was_admitted_is_held_until_it_is_settled(writer: Writer) -> None:
    admitted = asyncio.run(rush(writer, course=COURSE, limit=LIMIT, student=1, calls=CALLS, now=NOW))
    held = week()

    asyncio.run(settle(writer, admitted, now=NOW))

    assert held == (0, CALLS * AMOUNT)
    assert week() == (CALLS, 0)


@pytest.mark.timeout(180)
def test_calls_of_four_processes_are_admitted_as_long_as_there_is_room(data_dir: Path, tmp_path: Path) -> None:
    def run(number: int) -> int:
        arguments = f"number={number}, course={COURSE}, limit={LIMIT}, calls={CALLS}, meeting={str(tmp_path)!r}"
        code = f"from tests.quotas.rival import main; main({arguments})"
        rival = manage("shell", "--no-imports", "-c", code, data_dir=data_dir)
        assert rival.returncode == 0, rival.stderr
        return int(rival.stdout)

    with ThreadPoolExecutor(PROCESSES) as pool:
        rivals = [pool.submit(run, number) for number in range(PROCESSES)]
        deadline = time.monotonic() + PATIENCE
        while len(list(tmp_path.glob("ready-*"))) < PROCESSES and time.monotonic() < deadline:
            time.sleep(0.01)
        (tmp_path / "go").touch()
        admitted = [rival.result() for rival in rivals]

    assert sum(admitted) == FIT
    assert week() == (0, FIT * AMOUNT)
