"""Changes a course as its roster says: a job, all or nothing, with bulk writes, so that calls wait for none of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models.functions import Lower

from apps.accounts.audit import record
from apps.accounts.models import Course, Membership, Roster, User
from apps.accounts.models.fields import Role
from apps.accounts.rosters.planning import RosterPlan, RosterRow, RosterSeat, plan
from apps.accounts.rosters.reading import RosterTable
from apps.common.jobs import JobFailed, Report, ask, job
from apps.common.models import Job

KIND = "roster"
TOGETHER = 500
CHANGED = "The course has changed since the preview was made. Look at the roster again; nothing was changed."


def plan_of(roster: Roster) -> RosterPlan:
    """What this roster would change now."""
    return plan(table_of(roster), roster.columns, seats_of(roster.course))


def table_of(roster: Roster) -> RosterTable:
    table = roster.table
    return RosterTable(tuple(table["header"]), tuple(map(tuple, table["rows"])), tuple(table["lines"]))


def seats_of(course: Course) -> list[RosterSeat]:
    members = course.memberships.select_related("user").order_by("external_id")
    return [
        RosterSeat(
            id=member.pk,
            number=member.external_id,
            name=member.name,
            email=member.email,
            is_active=member.is_active,
            is_student=member.role == Role.STUDENT,
            by_roster=member.roster_id is not None,
            left=member.left_roster,
        )
        for member in members
    ]


def ask_for(roster: Roster, shown: RosterPlan, *, deactivates: bool, author: int, page: str, now: datetime) -> Job:
    """Ask for what the preview showed. Raises TooManyJobs."""
    return ask(
        kind=KIND,
        subject=subject(roster),
        title=f"Roster {roster.file_name}",
        params={"roster": roster.pk, "plan": shown.fingerprint, "deactivates": int(deactivates)},
        author=author,
        course=roster.course_id,
        page=page,
        now=now,
    )


def subject(roster: Roster) -> str:
    return f"roster {roster.pk}"


@job(KIND)
def apply(job: Job, report: Report) -> dict[str, Any]:
    roster = Roster.objects.select_related("course").filter(pk=job.params["roster"]).first()
    if roster is None:
        raise JobFailed("The roster has been deleted.")
    author = User.objects.filter(pk=job.author).first()
    if not Course.objects.for_instructor(author, "Membership").filter(pk=roster.course_id).exists():
        raise JobFailed("Whoever asked for it may no longer change this course.")
    if roster.state == Roster.State.APPLIED:  # by a worker that died before it could say so
        return dict(roster.result)
    try:
        with transaction.atomic():
            return apply_now(roster, job.params, by=author, now=job.created_at)
    except IntegrityError:
        raise JobFailed(CHANGED) from None


def apply_now(roster: Roster, params: dict[str, Any], *, by: User | None, now: datetime) -> dict[str, Any]:
    """Inside a transaction. Raises JobFailed if the course is no longer as the preview had it."""
    Course.objects.select_for_update().filter(pk=roster.course_id).first()
    if not Roster.objects.filter(pk=roster.pk, state=Roster.State.WAITING).update(state=Roster.State.APPLIED):
        raise JobFailed("This roster has been applied already.")
    found = plan_of(roster)
    if found.mistakes or found.fingerprint != params["plan"]:
        raise JobFailed(CHANGED)
    if not params["deactivates"]:
        found = replace(found, gone=())
    _bring(found.new, roster, by=by)
    _rename(found.changed)
    _set([seat.id for _, seat in found.back], is_active=True, left_roster=False)
    _set([seat.id for seat in found.gone], is_active=False, left_roster=True)
    counts = {name: len(getattr(found, name)) for name in ("new", "changed", "back", "gone")}
    Roster.objects.filter(pk=roster.pk).update(applied_at=now, table={}, result=counts)
    record("roster.applied", subject=roster, course=roster.course, after=counts)
    return counts


T = TypeVar("T")


def _portions(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER))


def _set(ids: Sequence[int], **values: Any) -> None:
    for some in _portions(ids):
        Membership.objects.filter(pk__in=some).update(**values)


def _bring(rows: Sequence[RosterRow], roster: Roster, *, by: User | None) -> None:
    """Add people: the users with these addresses, or else new ones without a password."""
    for some in _portions(rows):
        known = _known([row.email for row in some if row.email])
        missing = [row for row in some if row.email not in known]
        names = _usernames(missing, roster.course)
        users = [_user(row, name) for row, name in zip(missing, names, strict=True)]
        made = dict(zip([row.number for row in missing], User.objects.bulk_create(users), strict=True))
        seats = [(row, made.get(row.number) or known[row.email]) for row in some]
        Membership.objects.bulk_create(_seat(row, user, roster, by=by) for row, user in seats)


def _known(addresses: Sequence[str]) -> dict[str, User]:
    """The oldest user of each address, as adding somebody by hand finds them."""
    rows = User.objects.annotate(address=Lower("email")).filter(address__in=addresses).order_by("-pk")
    return {row.address: row for row in rows}


def _user(row: RosterRow, username: str) -> User:
    return User(
        username=username,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        password=make_password(None),
    )


def _seat(row: RosterRow, user: User, roster: Roster, *, by: User | None) -> Membership:
    """Unless an operator adds them, the course sees of a person what the file says."""
    typed = bool(row.email) and by is not None and not by.is_superuser
    return Membership(
        course=roster.course,
        user=user,
        external_id=row.number,
        roster=roster,
        shown_name=row.name if typed else "",
        shown_email=row.email if typed else "",
    )


def _usernames(rows: Sequence[RosterRow], course: Course) -> Iterator[str]:
    """Free names, found with one query for all of them."""
    wanted = [User.normalize_username(row.email or User.placeholder_name(course.slug, row.number)) for row in rows]
    lower = User.objects.annotate(lower=Lower("username")).filter(lower__in=[name.lower() for name in wanted])
    taken = set(lower.values_list("lower", flat=True))
    for name in wanted:
        free = User.free_username(f"{course.slug}.{name}") if name.lower() in taken or len(name) > 150 else name
        taken.add(free.lower())
        yield free


def _rename(changed: Sequence[tuple[RosterRow, RosterSeat]]) -> None:
    """What the course calls somebody. The person's own account changes only if it is of this course alone."""
    members = Membership.objects.select_related("user").in_bulk([seat.id for _, seat in changed])
    for row, seat in changed:
        member = members[seat.id]
        name, email = row.name or seat.name, row.email or seat.email
        if email:
            member.shown_name, member.shown_email = name, email
            member.save(update_fields=["shown_name", "shown_email"])
        elif not member.user.has_usable_password() and member.user.memberships.count() == 1:
            member.user.first_name, member.user.last_name = row.first_name, row.last_name
            member.user.save(update_fields=["first_name", "last_name"])
