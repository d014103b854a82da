"""Fixtures of the chat path's stages."""

from collections.abc import Iterator

import pytest

from apps.common.commit import Writer
from tests.chat.unit.desk import Desk


@pytest.fixture
def desk(committed_db: None) -> Iterator[Desk]:
    writer = Writer(name="desk")
    writer.start()
    yield Desk(writer)
    writer.stop()
