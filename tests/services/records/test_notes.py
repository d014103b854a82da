"""How a request ended, how many did, and how long they took."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.services.outcomes import RequestOutcome, outcome_of
from apps.services.records.counts import CountKey, MinuteTallies, MinuteTally
from apps.services.records.notes import BOUNDS, RequestNote
from apps.services.records.percentiles import Percentiles, percentiles

NOON = datetime(2026, 11, 2, 12, 0, 31, tzinfo=UTC)
NOTE = RequestNote(
    id="0" * 32,
    at=NOON,
    service=1,
    service_name="users",
    instance=2,
    url="http://127.0.0.1:1",
    method="GET",
    path="/",
    status=200,
    outcome=RequestOutcome.ANSWERED,
    code="",
    first_byte_ms=7,
    duration_ms=9,
    bytes_in=10,
    bytes_out=20,
    attempts=1,
    membership=None,
    course=None,
)


@pytest.mark.parametrize(
    ("status", "code", "first_byte_ms", "outcome"),
    [
        (200, "", 7, RequestOutcome.ANSWERED),
        (304, "", 7, RequestOutcome.ANSWERED),
        (404, "", 7, RequestOutcome.DECLINED),
        (503, "", 7, RequestOutcome.ERROR),
        (200, "upstream_broke_off", 7, RequestOutcome.BROKEN),
        (502, "upstream_failed", None, RequestOutcome.FAILED),
        (429, "rate_limited", None, RequestOutcome.REFUSED),
        (499, "", 7, RequestOutcome.LEFT),
        (499, "", None, RequestOutcome.LEFT),
    ],
)
def test_what_became_of_a_request(status: int, code: str, first_byte_ms: int | None, outcome: RequestOutcome) -> None:
    assert outcome_of(status=status, code=code, has_begun=first_byte_ms is not None) is outcome


@pytest.mark.parametrize(
    ("first_byte_ms", "bucket"), [(0, 0), (1, 0), (2, 1), (3, 2), (60_000, len(BOUNDS) - 1), (60_001, len(BOUNDS))]
)
def test_a_bucket_includes_its_upper_bound(first_byte_ms: int, bucket: int) -> None:
    assert replace(NOTE, first_byte_ms=first_byte_ms, duration_ms=10**6).bucket == bucket


def test_without_an_answer_the_whole_time_counts() -> None:
    assert replace(NOTE, first_byte_ms=None, duration_ms=400).bucket == BOUNDS.index(500)


def test_what_ended_alike_within_a_minute_is_one_count() -> None:
    tallies = MinuteTallies()
    for note in (NOTE, replace(NOTE, at=NOON.replace(second=59)), replace(NOTE, outcome=RequestOutcome.ERROR)):
        tallies.count(note)

    minute = NOON.replace(second=0)
    assert tallies == {
        CountKey(1, minute, 2, RequestOutcome.ANSWERED, 3): MinuteTally(2, 20, 40),
        CountKey(1, minute, 2, RequestOutcome.ERROR, 3): MinuteTally(1, 10, 20),
    }


def test_percentiles_are_interpolated() -> None:
    assert percentiles({}) is None
    assert percentiles({BOUNDS.index(100): 100}) == Percentiles(75, 98, 100)  # between 50 and 100
    assert percentiles({0: 96, len(BOUNDS): 4}) == Percentiles(1, 1, 60_000)


@given(st.lists(st.integers(min_value=0, max_value=100_000), min_size=1))
def test_percentiles_are_in_the_bucket_of_the_true_value(times: list[int]) -> None:
    counts: dict[int, int] = {}
    for time in times:
        bucket = replace(NOTE, first_byte_ms=time).bucket
        counts[bucket] = counts.get(bucket, 0) + 1
    true = sorted(times)[(len(times) * 95 + 99) // 100 - 1]
    found = percentiles(counts)

    assert found is not None
    low = max((bound for bound in BOUNDS if bound < true), default=0)
    high = min((bound for bound in BOUNDS if bound >= true), default=BOUNDS[-1])
    assert low <= found.p95 <= high
