"""Who of a course is locked out, and what a call usually costs there: what recorded calls say about allowances.

Calls are recorded in this app and allowances live below it, so the two meet here. The decision itself is
`apps.quotas.locks`, a pure one.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from apps.accounts.models import Course, Membership
from apps.common.ids import first_id
from apps.conversations.models import Call
from apps.quotas import in_words, standing
from apps.quotas.in_words import UsualCall
from apps.quotas.ledger import booking
from apps.quotas.locks import Recent
from apps.quotas.policy_snapshot import load_policies
from apps.quotas.standing import MemberStanding

RECENT_CALLS = 300  # of a course, by which a usual call is judged
ANSWERED = (Call.Status.ANSWERED, Call.Status.LEFT)


def locked_out(course: Course, *, now: datetime) -> list[MemberStanding]:
    """The students of a course whose next usual call would be refused for quota; who waits longest comes first.

    Each has `member`, `left`, `limit` and `lock` (`lock.since` may be None, `lock.why` is a sentence for staff). Takes
    about fifteen queries, however many students there are. For Today and the list of students alike, so both say the
    same.
    """
    found = [one for one in standings(course, now=now) if one.lock is not None]
    return sorted(found, key=_waiting_since)


def _waiting_since(one: MemberStanding) -> tuple[bool, float, str]:
    since = one.lock.since if one.lock else None
    return since is None, since.timestamp() if since else 0, one.member.external_id


def standings(course: Course, *, now: datetime) -> list[MemberStanding]:
    """All active members of a course with their week and whether they are locked out; least left first."""
    policies = load_policies()
    found, whole = standing.with_course(course, now=now, policies=policies)
    recent = recent_of(course, [one.member for one in found], now=now)
    return standing.with_locks(found, course, left=whole.remaining, usual=usual_call(course), recent=recent, now=now)


def usual_call(course: Course) -> UsualCall | None:
    """What a call usually costs in this course, by its latest calls. One query on the index of the course's calls."""
    latest = Call.objects.filter(course=course).order_by("-id").values_list("model", "charged")
    return in_words.usual_call(list(latest[:RECENT_CALLS]))


def recent_of(course: Course, members: Sequence[Membership], *, now: datetime) -> dict[int, Recent]:
    """What the latest calls of members of one course say, by id. One query, with a few index lookups for each."""
    week_begins = first_id(booking.week_of(course, now=now).starts_at)
    theirs = Call.objects.filter(membership=OuterRef("pk"))
    this_week = theirs.filter(pk__gte=week_begins)
    answered = this_week.filter(status__in=ANSWERED).order_by("-id")
    refused = this_week.filter(status=Call.Status.OUT_OF_QUOTA, pk__gt=OuterRef("answered_id")).order_by("id")
    rows = (
        Membership.objects.filter(pk__in=[member.pk for member in members])
        .order_by()
        .annotate(
            last_at=Subquery(theirs.order_by("-id").values("started_at")[:1]),
            answered_at=Subquery(answered.values("started_at")[:1]),
            answered_id=Coalesce(Subquery(answered.values("pk")[:1]), Value(week_begins)),
            refused_at=Subquery(refused.values("started_at")[:1]),
        )
    )
    found = rows.values_list("pk", "last_at", "answered_at", "refused_at")
    return {
        pk: Recent(last_at=last_at, answered_at=answered_at, refused_at=refused_at)
        for pk, last_at, answered_at, refused_at in found
    }
