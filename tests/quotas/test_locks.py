"""Who is locked out: refused since the last answer, or with less left than a usual call costs."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.quotas.locks import Recent, lock_of

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ANSWERED = Recent(answered_at=NOON, last_at=NOON)
REFUSED = Recent(refused_at=NOON + timedelta(minutes=1), answered_at=NOON, last_at=NOON + timedelta(minutes=2))


@pytest.mark.parametrize(
    ("left", "usual", "recent", "since"),
    [
        (6, 94, ANSWERED, NOON),
        (52, 94, REFUSED, REFUSED.refused_at),
        (0, None, ANSWERED, NOON),
        (5_000, 94, REFUSED, REFUSED.refused_at),
        (0, None, Recent(), None),
    ],
)
def test_the_next_usual_call_would_be_refused(
    left: int, usual: int | None, recent: Recent, since: datetime | None
) -> None:
    lock = lock_of(left=left, usual=usual, recent=recent, relieved_at=None)

    assert lock is not None
    assert lock.since == since


@pytest.mark.parametrize(("left", "usual"), [(94, 94), (1, None), (None, 94)])
def test_the_next_usual_call_passes(left: int | None, usual: int | None) -> None:
    assert lock_of(left=left, usual=usual, recent=ANSWERED, relieved_at=None) is None


def test_a_refusal_before_staff_gave_more_says_nothing() -> None:
    relieved_at = NOON + timedelta(hours=1)

    assert lock_of(left=700, usual=94, recent=REFUSED, relieved_at=relieved_at) is None
    assert lock_of(left=7, usual=94, recent=REFUSED, relieved_at=relieved_at) is not None
