"""The people whom the other tests rely on."""

from datetime import UTC, datetime

from apps.accounts.models import Course, Membership, Role
from apps.quotas.models import WeeklyUsage


def test_the_cast_shares_one_course(
    course: Course, ada: Membership, ben: Membership, mia: Membership, tess: Membership
) -> None:
    assert set(course.memberships.all()) == {ada, ben, mia, tess}
    assert tess.role == Role.INSTRUCTOR


def test_ben_has_used_up_the_current_week(ben: Membership) -> None:
    now = datetime.now(UTC)

    week = WeeklyUsage.objects.get(account=ben.pk, starts_at__lte=now, ends_at__gt=now)

    assert week.used == ben.course.quota_policy.student_weekly_tokens


def test_mia_has_no_key(ada: Membership, mia: Membership) -> None:
    assert ada.api_keys.count() == 1
    assert mia.api_keys.count() == 0
