"""Which processes are alive."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.common.owners import Owner, forget, is_alive
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
