"""Which signals tell the supervisor to stop, and which to hurry."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_project.env import BASE_DIR
from gateway_project.processes.supervisor import StopSignals
from tests.chat.world import wait_until


@pytest.mark.parametrize(
    ("seconds", "is_impatient"),
    [
        ([0], False),
        ([0, 0], False),
        ([0, 0.0004], False),  # as `make` passes it on
        ([number * 0.005 for number in range(10)], False),
        ([0, 0.5, 0.999], False),
        ([0, 1], True),
        ([0, 0.01, 1], True),
        ([0, 20], True),
        ([0, 0.9, 1.8], True),  # the first counts, not the latest
        ([0, 1.5, 1.501], True),  # and it stays so
    ],
)
def test_only_a_signal_long_after_the_first_is_impatience(seconds: list[float], is_impatient: bool) -> None:
    signals = StopSignals()

    for second in seconds:
        signals.note(1000 + second)

    assert signals.is_stop_asked
    assert signals.is_impatient == is_impatient


def test_without_a_signal_nobody_wants_anything() -> None:
    assert not StopSignals().is_stop_asked
    assert not StopSignals().is_impatient


# A supervisor, with a child that takes a while to stop

SUPERVISOR = """
import sys
from gateway_project.processes.supervisor import Supervisor, bind

supervisor = Supervisor(bind("127.0.0.1", 0), grace=60)
supervisor.add("slow", ["-c", *sys.argv[1:]])
supervisor.run()
"""
CHILD = """
import os, pathlib, signal, sys, time

directory, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
signals = {signal.SIGTERM}
(directory / "session").write_text(str(os.getsid(0)))
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
(directory / "ready").touch()
signal.sigtimedwait(signals, 60)
time.sleep(seconds)
(directory / "settled").touch()
"""


@contextlib.contextmanager
def supervisor_of(directory: Path, *, seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """Its child takes so many seconds to settle after SIGTERM."""
    arguments = [sys.executable, "-c", SUPERVISOR, CHILD, str(directory), str(seconds)]
    process = subprocess.Popen(arguments, cwd=BASE_DIR, start_new_session=True)
    try:
        wait_until((directory / "ready").exists, what="The start of the child")
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_same_signal_ten_times_lets_processes_settle(number: int, tmp_path: Path) -> None:
    with supervisor_of(tmp_path, seconds=0.3) as process:
        for _ in range(10):
            os.killpg(process.pid, number)
            time.sleep(0.005)

        assert process.wait(30) == 0
        assert (tmp_path / "settled").exists()


def test_low_priority_counts_against_its_siblings(tmp_path: Path) -> None:
    """Linux may share the processors between sessions first, and look at priorities only within one."""
    with supervisor_of(tmp_path, seconds=0) as process:
        session = int((tmp_path / "session").read_text())

    assert session == process.pid


def test_a_signal_after_more_than_a_second_kills_them(tmp_path: Path) -> None:
    with supervisor_of(tmp_path, seconds=50) as process:
        process.terminate()
        time.sleep(1.2)
        process.terminate()

        assert process.wait(30) == 0
        assert not (tmp_path / "settled").exists()
