"""What waits for the staff of a course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max
from django.http import HttpRequest

from apps.accounts.models import ApiKey, Course, Membership, Role
from apps.accounts.permissions import Verb
from apps.accounts.scoping import may
from apps.conversations.models import Appeal
from apps.providers.models import Model
from apps.quotas.models import AllowanceRequest
from apps.quotas.standing import MemberStanding
from apps.rules.models import Rule

MOST = 5  # of each kind on the page
WATCHED = timedelta(days=1)
UNUSED = timedelta(days=2)  # since it was issued


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
    course: Course,
    *,
    standings: Sequence[MemberStanding],
    hits: Mapping[int, Sequence[int]],
    now: datetime,
) -> Needs:
    """`hits` are the calls in which rules were found on the latest days, by the rule's id."""
    by_member = {standing.member.pk: standing for standing in standings}
    waiting = AllowanceRequest.objects.for_staff(request.user).filter(membership__course=course).open()
    rows = list(waiting.select_related("membership__user", "membership__course"))
    asked = sorted((WaitingRequest(row, by_member.get(row.membership_id)) for row in rows), key=_least_left)
    unused, without = _keys(course, now=now)
    return Needs(
        requests=asked[:MOST],
        requests_total=len(asked),
        appeals=_appeals(request, course),
        watched=_watched(course, hits, now=now),
        locked_out=[standing for standing in standings if standing.state == "out"],
        unused_keys=unused,
        without_key=without,
        lacks=lacks_of(course),
        may_decide=may(request, Verb.ACT, "AllowanceRequest", course.pk),
    )


def _least_left(waiting: WaitingRequest) -> tuple[bool, int, int]:
    return waiting.left is None, waiting.left or 0, waiting.row.pk


def _appeals(request: HttpRequest, course: Course) -> list[tuple[str, int]]:
    rows = Appeal.objects.for_staff(request.user).filter(membership__course=course).open().order_by()
    return [(name or "a rule", n) for name, n in rows.values_list("rule_name").annotate(n=Count("pk")).order_by("-n")]


def _watched(course: Course, hits: Mapping[int, Sequence[int]], *, now: datetime) -> list[WatchedRule]:
    stages = (Rule.Stage.OBSERVE, Rule.Stage.WARN)
    rules = Rule.objects.filter(course=course, stage__in=stages).annotate(since=Max("versions__at"))
    ripe = [rule for rule in rules if rule.since is not None and rule.since <= now - WATCHED]
    found = [WatchedRule(rule, (now - rule.since).days, sum(hits.get(rule.pk, ()))) for rule in ripe]
    return sorted((one for one in found if one.found), key=lambda one: -one.found)[:MOST]


def _keys(course: Course, *, now: datetime) -> tuple[int, int]:
    """Students whose keys nobody has used, and students without a key."""
    keys = ApiKey.objects.filter(membership__course=course, membership__is_active=True, revoked_at=None).order_by()
    by_member = keys.values("membership").annotate(used=Max("last_used_at"), issued=Max("created_at"))
    unused = sum(one["used"] is None and one["issued"] <= now - UNUSED for one in by_member)
    students = Membership.objects.filter(course=course, is_active=True, role=Role.STUDENT)
    return unused, students.exclude(pk__in=keys.values("membership")).count()


def lacks_of(course: Any) -> list[str]:
    """Without these, every call is refused."""
    lacks = [] if getattr(course, "quota_policy", None) else ["allowance"]
    return (
        lacks
        if Model.objects.offered_to([course.pk]).filter(allowed_in__course=course).exists()
        else [*lacks, "models"]
    )
