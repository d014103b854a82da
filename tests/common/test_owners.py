"""Which processes are alive."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from apps.common.commit import Writer
from apps.common.cursor import Cursor
from apps.common.owners import MISSING_SECONDS, LifeSigns, Owner, forget, is_alive
from gateway_project.env import BASE_DIR

PROCESS = """
import sys
from pathlib import Path
from apps.common.owners import Owner
print(Owner(Path(sys.argv[1])).id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns something; it prints its id and lives until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(tmp_path)],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def owner_id(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_this_process_is_alive(tmp_path: Path) -> None:
    owner = Owner(tmp_path)

    assert is_alive(tmp_path, owner.id)

    owner.close()


def test_an_owner_that_closed_is_gone_and_leaves_nothing(tmp_path: Path) -> None:
    owner = Owner(tmp_path)

    owner.close()

    assert not is_alive(tmp_path, owner.id)
    assert list(tmp_path.iterdir()) == []


def test_another_process_is_alive(tmp_path: Path, process: subprocess.Popen[str]) -> None:
    assert is_alive(tmp_path, owner_id(process))


def test_a_killed_process_is_dead_at_once(tmp_path: Path, process: subprocess.Popen[str]) -> None:
    owner = owner_id(process)

    process.kill()
    process.wait()
    started = time.monotonic()

    assert not is_alive(tmp_path, owner)
    assert time.monotonic() - started < 1.0


def test_looking_does_not_kill(tmp_path: Path, process: subprocess.Popen[str]) -> None:
    owner = owner_id(process)

    assert [is_alive(tmp_path, owner) for _ in range(3)] == [True, True, True]


def test_an_unknown_owner_is_dead(tmp_path: Path) -> None:
    assert not is_alive(tmp_path, "never-was")


def test_a_dead_owner_can_be_forgotten_twice(tmp_path: Path, process: subprocess.Popen[str]) -> None:
    owner = owner_id(process)
    process.kill()
    process.wait()

    forget(tmp_path, owner)
    forget(tmp_path, owner)

    assert list(tmp_path.iterdir()) == []


# As the ledger is told


class Process:
    """What another process shows of its life: its file, and on PostgreSQL its writer's session."""

    def __init__(self, directory: Path) -> None:
        self.owner = Owner(directory)
        self.id = self.owner.id
        self._writer = Writer(name="another process", sign=self.id)
        self._writer.start()
        self._writer.call(do_nothing, None)

    def end(self) -> None:
        self._writer.stop()
        self.owner.close()


def do_nothing(cursor: Cursor, units: Sequence[None]) -> list[None]:
    return [None] * len(units)


@pytest.fixture
def writer(committed_db: None) -> Iterator[Writer]:
    writer = Writer(name="test writer")
    writer.start()
    yield writer
    writer.stop()


def test_an_owner_that_lives_is_not_dead_and_one_that_ended_is(writer: Writer, tmp_path: Path) -> None:
    now = [100.0]
    signs = LifeSigns(tmp_path, mine="mine", clock=lambda: now[0])
    process = Process(tmp_path)

    while_it_lives = writer.call(signs.dead, (process.id,))
    process.end()
    afterwards: tuple[str, ...] = ()
    deadline = time.monotonic() + 10
    while not afterwards and time.monotonic() < deadline:  # PostgreSQL takes a moment to end the session
        writer.call(signs.dead, (process.id,))
        now[0] += MISSING_SECONDS
        afterwards = writer.call(signs.dead, (process.id,))

    assert (while_it_lives, afterwards) == ((), (process.id,))


def test_one_s_own_life_is_never_in_doubt(writer: Writer, tmp_path: Path) -> None:
    signs = LifeSigns(tmp_path, mine="mine")

    assert writer.call(signs.dead, ("mine",)) == ()
