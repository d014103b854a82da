"""Bars over days: whatever is counted stays within the picture, and nothing that was counted is invisible."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.common.charts import HEAD, MINUTE, WIDTH, bars, minutes, stretch

FIRST = date(2026, 10, 1)


def test_a_stretch_has_both_ends() -> None:
    assert stretch(FIRST, FIRST + timedelta(days=2)) == [date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 3)]


def test_the_highest_bar_reaches_the_line_and_others_their_part() -> None:
    chart = bars(stretch(FIRST, date(2026, 10, 2)), {FIRST: {"a": 3, "b": 1}, date(2026, 10, 2): {"a": 2}}, series="ab")

    room = chart.base - chart.top
    heights = [[segment.height for segment in day.segments] for day in chart.days]
    assert heights == [[round(room * 0.75, 2), round(room * 0.25, 2)], [room / 2]]
    assert chart.days[0].segments[-1].y == HEAD


def test_days_without_anything_have_no_bar() -> None:
    chart = bars(stretch(FIRST, date(2026, 10, 30)), {}, series=["hit"])

    assert (chart.total, [day.segments for day in chart.days]) == (0, [()] * 30)
    assert chart.days[0].title == "Thu 2026-10-01: none"


def test_the_last_day_has_its_date_and_few_others() -> None:
    labels = [day.label for day in bars(stretch(FIRST, date(2026, 10, 30)), {}, series=["hit"]).days]

    assert labels[-1] == "Oct 30"
    assert len([label for label in labels if label]) <= 8


@given(
    st.lists(st.lists(st.integers(0, 10**9), min_size=3, max_size=3), min_size=1, max_size=60),
)
def test_every_bar_lies_within_the_picture(rows: list[list[int]]) -> None:
    days = stretch(FIRST, FIRST + timedelta(days=len(rows) - 1))
    counts = {day: dict(zip("abc", row, strict=True)) for day, row in zip(days, rows, strict=True)}

    chart = bars(days, counts, series="abc")

    for day in chart.days:
        assert len(day.segments) == sum(1 for count in day.counts if count)
        for segment in day.segments:
            assert segment.x >= 0 and segment.x + segment.width <= WIDTH + 0.1
            assert segment.height >= 1 and segment.y >= HEAD - 3 and segment.y + segment.height <= chart.base + 0.1


def test_minutes_are_called_by_the_clock() -> None:
    noon = datetime(2026, 10, 1, 12, 0, 59, tzinfo=UTC)
    last = minutes(noon, 60)
    chart = bars(last, {last[-1]: {"answered": 2}}, series=["answered"], unit=MINUTE)

    assert (last[0].isoformat(), last[-1].isoformat()) == ("2026-10-01T11:01:00+00:00", "2026-10-01T12:00:00+00:00")
    assert (chart.unit, chart.total) == ("minute", 2)
    assert (chart.days[-1].label, chart.days[-1].title, chart.days[-1].row) == ("12:00", "12:00: 2 answered", "12:00")
