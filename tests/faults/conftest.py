"""Most faults come in two sizes: a share of seconds in every run of the suite, and the whole in `make battery`. Those
that need longer to mean anything run in the battery alone, which is for every night.

The battery prints a line for each fault: how many rounds, the figures beside their goals, and what the checker found.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

from tests.faults.scene import Scene, make_scene
from tests.live import Gateway

T = TypeVar("T")
BATTERY_SECONDS = 3600
_lines = pytest.StashKey[list[str]]()


def rounds_of(usual: int) -> int:
    """How often to repeat a fault in the battery: as ROUNDS says, or the fault's own number."""
    return int(os.environ.get("ROUNDS") or usual)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a fault to run."""

    is_battery: bool

    def pick(self, share: T, battery: T) -> T:
        return battery if self.is_battery else share

    def rounds(self, *, battery: int) -> int:
        """One in the suite."""
        return rounds_of(battery) if self.is_battery else 1


@pytest.fixture(
    params=[
        pytest.param("share", marks=pytest.mark.timeout(180)),
        pytest.param("battery", marks=(pytest.mark.battery, pytest.mark.timeout(BATTERY_SECONDS))),
    ]
)
def scale(request: pytest.FixtureRequest) -> Scale:
    return Scale(request.param == "battery")


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say how a fault went, in a line that is printed at the end."""
    return request.config.stash.setdefault(_lines, []).append


@pytest.fixture
def scene(committed_db: None, gateway: Gateway) -> Iterator[Scene]:
    with make_scene(gateway) as scene:
        yield scene


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(_lines, []):
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
