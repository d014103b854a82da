"""Snapshots follow the revision of their topic."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.common.models import Revision
from apps.common.revisions import Snapshot, refresh_all
from tests import factories

# Refreshing closes its connection, as a thread of the pool does, so there can be no transaction around the test.
pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def loads() -> Iterator[list[Any]]:
    """What the next loads give: a value, or an exception to raise."""
    yield []


@pytest.fixture
def snapshot(loads: list[Any]) -> Snapshot[Any]:
    def load() -> Any:
        value = loads.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    return Snapshot(factories.unique("topic"), load)


def test_a_snapshot_that_was_never_loaded_cannot_be_read(snapshot: Snapshot[Any]) -> None:
    with pytest.raises(AttributeError):
        _ = snapshot.current


def test_a_snapshot_loads_before_anything_has_changed(snapshot: Snapshot[Any], loads: list[Any]) -> None:
    loads += ["first"]

    refresh_all([snapshot])

    assert snapshot.current == "first"


def test_a_snapshot_loads_again_only_after_a_change(snapshot: Snapshot[Any], loads: list[Any]) -> None:
    loads += ["first", "second", "third"]
    refresh_all([snapshot])

    refresh_all([snapshot])
    unchanged = snapshot.current
    Revision.bump(snapshot.topic)
    refresh_all([snapshot])

    assert (unchanged, snapshot.current) == ("first", "second")


def test_a_load_that_fails_keeps_the_copy_that_there_was(
    snapshot: Snapshot[Any], loads: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    loads += ["first", ValueError("broken")]
    refresh_all([snapshot])

    Revision.bump(snapshot.topic)
    refresh_all([snapshot])

    assert snapshot.current == "first"
    assert "the previous copy stays in force" in caplog.text


def test_a_load_that_failed_is_tried_again(snapshot: Snapshot[Any], loads: list[Any]) -> None:
    loads += ["first", ValueError("broken"), "second"]
    refresh_all([snapshot])
    Revision.bump(snapshot.topic)
    refresh_all([snapshot])

    refresh_all([snapshot])

    assert snapshot.current == "second"


def test_the_very_first_load_may_not_fail(snapshot: Snapshot[Any], loads: list[Any]) -> None:
    loads += [ValueError("broken")]

    with pytest.raises(ValueError, match="broken"):
        refresh_all([snapshot])


def test_one_query_tells_all_revisions(
    snapshot: Snapshot[Any], loads: list[Any], django_assert_num_queries: Any
) -> None:
    loads += ["first"]
    others = [Snapshot(factories.unique("topic"), lambda: "other") for _ in range(5)]

    refresh_all([snapshot, *others])

    with django_assert_num_queries(1):
        refresh_all([snapshot, *others])


def test_what_changes_while_it_is_read_is_read_again_at_once() -> None:
    """Of several tables, some may have been read before the change and some after it."""
    topic, read = factories.unique("topic"), []

    def load() -> int:
        if not read:
            Revision.objects.create(topic=topic, number=1)
        read.append(len(read))
        return len(read)

    snapshot = Snapshot(topic, load)
    refresh_all([snapshot])

    assert snapshot.current == 2
