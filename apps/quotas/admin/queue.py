"""The order of the queue of requests: by course, and in each who has least left and then who has waited longest."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext

from apps.quotas import standing
from apps.quotas.models import AllowanceRequest
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import load_policies

MOST_SORTED = 300  # open requests that are sorted by need; later ones follow


def policies_of(request: HttpRequest) -> Policies:
    """Read once for a page."""
    kept: Policies = request.__dict__.setdefault("_stoa_policies", None) or load_policies()
    request.__dict__["_stoa_policies"] = kept
    return kept


def need(request: Any) -> tuple[bool, int, int]:
    """Who has least left comes first, and then who has waited longest."""
    left = request.standing.left
    return left is None, left or 0, request.pk


def suggested(request: Any) -> tuple[int, str]:
    """What a button grants, and what that is: what was asked for, but half a week at most."""
    week = request.standing.limit or request.standing.base
    half = max(week // 2, 1)
    if request.tokens <= half or not week:
        return request.tokens, gettext("what was asked for")
    return half, gettext("half a week")


def in_order(request: HttpRequest) -> list[Any]:
    """The open requests that this person may see, each with its standing. A course stands where its neediest does."""
    rows = AllowanceRequest.objects.for_staff(request.user).open().order_by("pk")
    asked = list(rows.select_related("membership__user", "membership__course")[:MOST_SORTED])
    by_need = sorted(with_standing(asked, policies_of(request)), key=need)
    places: dict[int, int] = {}
    for place, row in enumerate(by_need):
        places.setdefault(row.membership.course_id, place)
    return sorted(by_need, key=lambda row: places[row.membership.course_id])


def with_headings(rows: Iterable[Any]) -> list[Any]:
    """The same rows; the first open one of each course gets the course as its `heading`."""
    found, last = list(rows), None
    for row in found:
        course = row.membership.course if row.state == AllowanceRequest.State.OPEN else None
        row.heading, row.is_grouped = course if course != last else None, course is not None
        last = course
    return found


def with_standing(asked: Iterable[AllowanceRequest], policies: Policies | None = None) -> list[Any]:
    """The same rows, each with its student's standing this week."""
    rows: list[Any] = list(asked)
    found = standing.of_members([row.membership for row in rows], now=timezone.now(), policies=policies)
    counts = AllowanceRequest.objects.filter(membership__in=[row.membership_id for row in rows]).order_by()
    asked_so_often = dict(counts.values_list("membership").annotate(count=Count("pk")))
    for row, own in zip(rows, found, strict=True):
        row.standing = own
        row.earlier = asked_so_often[row.membership_id] - 1
    return rows
