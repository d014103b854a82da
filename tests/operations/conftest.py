"""A receiver of webhooks, and rounds of a worker at any time."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.operations import delivering, rounds
from tests.operations.receiver import Receiver, receiving

Round = Callable[[datetime], int]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def look(db: None, tmp_path: Path, settings: Any) -> Iterator[Round]:
    """A round at an instant; returns how many messages arrived. There is a mail server, which keeps what it gets."""
    settings.EMAIL_HOST = "mail.example.edu"
    yield lambda now: rounds.look(owners=tmp_path, data=tmp_path, clock=lambda: now)
    rounds._looked_at.clear()
    delivering._failing.clear()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
