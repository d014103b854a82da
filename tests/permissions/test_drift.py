"""Whoever loses a role loses what it opened, at the next request: with the session, and with the jobs they started."""

import pytest

from apps.accounts.models import Membership, User
from apps.common.models import Job
from tests import factories
from tests.admin.world import page_of
from tests.permissions.cast import Cast


@pytest.mark.parametrize("how", ["dropped", "demoted", "no longer staff", "deactivated", "deleted"])
def test_a_session_ends_with_what_it_rested_on(how: str, cast: Cast) -> None:
    member = factories.make_instructor(course=cast.own.course)
    client = cast.client("anonymous")
    client.force_login(member.user)
    before = client.post(page_of(cast.own.rule), {}).status_code
    _lower(member, how)

    after = client.post(page_of(cast.own.rule), {}).status_code

    expected = {"dropped": 404, "demoted": 403, "no longer staff": 302, "deactivated": 302, "deleted": 302}
    assert (before, after) == (200, expected[how])


@pytest.mark.parametrize(("how", "status"), [("dropped", 404), ("deactivated", 302), ("deleted", 302)])
def test_a_job_is_no_longer_seen_by_somebody_who_left(how: str, status: int, cast: Cast) -> None:
    member = factories.make_instructor(course=cast.own.course)
    client = cast.client("anonymous")
    client.force_login(member.user)
    job = Job.objects.create(
        kind="walk", title="W", created_at=cast.own.call.started_at, course=cast.own.course.pk, author=member.user.pk
    )
    _lower(member, how)

    assert client.get(f"/admin/common/job/{job.pk}/progress/").status_code == status
    assert client.post(f"/admin/common/job/{job.pk}/cancel/").status_code == status


def _lower(member: Membership, how: str) -> None:
    if how == "dropped":
        Membership.objects.filter(pk=member.pk).update(is_active=False)
    elif how == "demoted":
        Membership.objects.filter(pk=member.pk).update(role="assistant")
    elif how == "no longer staff":
        User.objects.filter(pk=member.user_id).update(is_staff=False)
    elif how == "deactivated":
        User.objects.filter(pk=member.user_id).update(is_active=False)
    else:
        member.user.delete()
