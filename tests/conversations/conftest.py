"""Fixtures of the tests of spools and of draining them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.conversations.spool.writer import Spool
from tests.conversations.machine import Machine


@pytest.fixture
def machine(db: None, tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spools" / "owner.sqlite3"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    spool = Spool(path)
    spool.start()
    yield spool
    spool.stop()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
