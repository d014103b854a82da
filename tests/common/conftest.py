"""Fixtures of the tests of jobs."""

from collections.abc import Iterator

import pytest

from apps.common.jobs import KINDS
from tests.factories import unique


@pytest.fixture
def kind() -> Iterator[str]:
    """A kind of this test's own, so that nobody else's jobs are done here."""
    name = unique("kind")
    known = dict(KINDS)
    KINDS.clear()
    yield name
    KINDS.clear()
    KINDS.update(known)
