"""What the tests of allowances share: addresses, forms, and what a student has left."""

import csv
import io
import re
from typing import Any

from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership
from apps.quotas import standing
from apps.quotas.ledger import booking
from apps.quotas.models import AllowanceRequest
from tests.admin.world import CourseWorld

ALLOWANCE = 10_000  # of each, a week, where tests use the fixture plain_allowance


def a_request(member: Membership, **overrides: Any) -> AllowanceRequest:
    now = timezone.now()
    week = booking.week_of(member.course, now=now)
    values = {"tokens": 1, "reason": "x", "created_at": now, "week_starts_at": week.starts_at}
    return AllowanceRequest.objects.create(membership=member, **{**values, **overrides})


def students_of(world: CourseWorld) -> str:
    return reverse("admin:course_students", args=[world.course.slug])


def page_of(member: Membership) -> str:
    return reverse("admin:course_student", args=[member.course.slug, member.pk])


def decide(world: CourseWorld, action: str) -> str:
    return reverse("admin:quotas_decide", args=[world.course.pk, action])


def confirmed(*members: Membership, **values: Any) -> dict[str, Any]:
    return {"confirmed": "yes", "member": [member.pk for member in members], **values}


def left_of(member: Membership) -> int:
    [own] = standing.of_members([member], now=timezone.now())
    return own.left or 0


def undo_button(page: str) -> dict[str, str]:
    """The fields of the form that takes a grant back."""
    form = re.search(r'<form class="stoa-undo".*?</form>', page, re.DOTALL)
    assert form, "there is no undo"
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form.group()))


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))
