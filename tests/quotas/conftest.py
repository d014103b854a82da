"""What must hold after every test of the ledger."""

from collections.abc import Iterator

import pytest

from tests.quotas.moves import drift


@pytest.fixture
def books_balance(db: None) -> Iterator[None]:
    """Whatever happened in the test."""
    yield
    assert drift() == []
