"""What waits for the staff of a course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext

from apps.accounts.models import Course
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.conversations.models import Appeal
from apps.quotas.models import AllowanceRequest
from apps.quotas.standing import MemberStanding
from apps.rules.models import Rule

MOST = 5  # of each kind on the page
WATCHED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    row: AllowanceRequest
    standing: MemberStanding | None

    @property
    def left(self) -> int | None:
        return self.standing.left if self.standing else None


@dataclass(frozen=True, slots=True)
class WatchedRule:
    """A rule that has been observed or has warned for a day, unchanged."""

    rule: Rule
    days: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    requests: list[WaitingRequest]
    requests_total: int
    appeals: list[tuple[str, int]]  # the name of a rule, and how many
    watched: list[WatchedRule]
    locked_out: list[MemberStanding]
    unused_keys: int
    without_key: int
    lacks: list[str]
    may_decide: bool

    def __bool__(self) -> bool:
        return bool(self.requests or self.appeals or self.watched or self.locked_out or self.unused_keys or self.lacks)

    @property
    def locked_out_total(self) -> int:
        return len(self.locked_out)


def needs_of(
    request: HttpRequest,
    course: Any,
    *,
    standings: Sequence[MemberStanding],
    rules: Sequence[Any],
    hits: Mapping[int, Sequence[int]],
    now: datetime,
) -> Needs:
    """`course` is a row of `today.row_of`. `hits` are the latest days' calls with a rule, by the rule's id."""
    by_member = {standing.member.pk: standing for standing in standings}
    waiting = AllowanceRequest.objects.filter(membership__course=course).open()
    sees = may(request, Verb.SEE, "AllowanceRequest", course.pk)
    rows = list(waiting.select_related("membership__user", "membership__course")) if sees else []
    asked = sorted((WaitingRequest(row, by_member.get(row.membership_id)) for row in rows), key=_least_left)
    return Needs(
        requests=asked[:MOST],
        requests_total=len(asked),
        appeals=_appeals(request, course),
        watched=_watched(rules, hits, now=now),
        locked_out=sorted((one for one in standings if one.state == "out"), key=_since),
        unused_keys=course.unused_keys or 0,
        without_key=course.without_key or 0,
        lacks=lacks_of(course),
        may_decide=may(request, Verb.ACT, "AllowanceRequest", course.pk),
    )


def _least_left(waiting: WaitingRequest) -> tuple[bool, int, int]:
    return waiting.left is None, waiting.left or 0, waiting.row.pk


def _since(one: MemberStanding) -> tuple[bool, float]:
    """Who waits longest comes first."""
    since = one.lock.since if one.lock else None
    return since is None, since.timestamp() if since else 0.0


def _appeals(request: HttpRequest, course: Course) -> list[tuple[str, int]]:
    if not may(request, Verb.SEE, "Appeal", course.pk):
        return []
    rows = Appeal.objects.filter(membership__course=course).open().order_by()
    return [
        (name or gettext("a rule"), n)
        for name, n in rows.values_list("rule_name").annotate(n=Count("pk")).order_by("-n")
    ]


def _watched(rules: Sequence[Any], hits: Mapping[int, Sequence[int]], *, now: datetime) -> list[WatchedRule]:
    """`rules` have `since`, the instant of their latest version."""
    watching = [rule for rule in rules if rule.stage in (Rule.Stage.OBSERVE, Rule.Stage.WARN) and rule.since]
    ripe = [rule for rule in watching if rule.since <= now - WATCHED]
    found = [WatchedRule(rule, (now - rule.since).days, sum(hits.get(rule.pk, ()))) for rule in ripe]
    return sorted((one for one in found if one.found), key=lambda one: -one.found)[:MOST]


def lacks_of(course: Any) -> list[str]:
    """Without these, every call is refused. `course` knows whether it `has_models`."""
    lacks = [] if getattr(course, "quota_policy", None) else ["allowance"]
    return lacks if course.has_models else [*lacks, "models"]
