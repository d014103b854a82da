"""Percentiles of deployments in the last hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.common.ids import first_id
from gateway_project.site.traffic import Spread, Traffic, measured, of_last_hour, spread
from tests import factories
from tests.admin.world import make_call

TIMES: list[Any] = [
    ([], None),
    ([7], Spread(7, 7)),
    ([3, 1, 2], Spread(2, 3)),
    (list(range(1, 101)), Spread(50, 95)),
    (list(range(1, 21)), Spread(10, 19)),
]


@pytest.mark.parametrize(("times", "expected"), TIMES)
def test_percentiles_are_times_that_a_call_took(times: list[int], expected: Spread | None) -> None:
    assert spread(times) == expected


def test_each_deployment_has_its_share() -> None:
    rows = [("a", "m", 10, 100), ("a", "m", None, 300), ("b", "m", 5, 50)]

    found = measured(rows)

    assert found["a", "m"] == Traffic(calls=2, of=3, first_byte=Spread(10, 10), total=Spread(100, 300))
    assert found["b", "m"].calls == 1


def test_only_the_last_hour_counts(db: None) -> None:
    now = datetime.now(UTC)
    student = factories.make_student()
    make_call(student, provider="recent", upstream_model="m")
    make_call(student, id=first_id(now - timedelta(hours=2)), provider="old", upstream_model="m")
    make_call(student, provider="")

    found = of_last_hour(now=now)

    assert ("recent", "m") in found
    assert not {("old", "m"), ("", "")} & set(found)
