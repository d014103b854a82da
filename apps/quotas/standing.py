"""How the students of a course stand this week, computed by the rules that calls obey."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import CharField, Max, Q, Subquery
from django.db.models.functions import Cast

from apps.accounts.models import AuditEntry, Course, Membership
from apps.accounts.principals import Principal, principal_of
from apps.quotas.in_words import UsualCall
from apps.quotas.ledger import booking
from apps.quotas.ledger.movements import Account, Balance
from apps.quotas.limits import lower
from apps.quotas.locks import Lock, Recent, lock_of
from apps.quotas.models import Boost, LedgerEntry, Override, QuotaPolicy, WeeklyUsage
from apps.quotas.policies import Policies
from apps.quotas.policy_snapshot import load_policies
from apps.quotas.sums import LimitSum

NEAR = 0.8


@dataclass(frozen=True, slots=True)
class MemberStanding:
    """One student's own account in one week."""

    member: Membership
    balance: Balance
    base: int  # weekly tokens of the role, before boosts and overrides
    lock: Lock | None = None  # only `with_locks` knows

    @property
    def limit(self) -> int | None:
        """None is no limit."""
        return self.balance.limit

    @property
    def left(self) -> int | None:
        return self.balance.remaining

    @property
    def state(self) -> str:
        """`out` (locked out), `near` (from 80 percent), `unused` or `fine`."""
        taken = self.balance.used + self.balance.held
        if self.lock is not None or self.left == 0:
            return "out"
        if self.limit is not None and taken >= NEAR * self.limit:
            return "near"
        return "fine" if taken else "unused"


def of_course(course: Course, *, now: datetime, policies: Policies | None = None) -> list[MemberStanding]:
    """All active members, those with least left first. Takes a few queries, however many members there are."""
    return sorted(of_members(_active(course), now=now, policies=policies), key=least_left)


def least_left(standing: MemberStanding) -> tuple[bool, int, str]:
    return standing.left is None, standing.left or 0, standing.member.external_id


def of_members(
    members: Sequence[Membership], *, now: datetime, policies: Policies | None = None
) -> list[MemberStanding]:
    """One standing for each member, in the same order. Loads the policies unless the page has them already."""
    policies = policies or load_policies()
    accounts = _accounts(members, policies, now)
    return _standings(members, accounts, policies, _used(accounts))


def with_course(
    course: Course, *, now: datetime, policies: Policies | None = None
) -> tuple[list[MemberStanding], Balance]:
    """As `of_course` and `whole_course`, with one query for the weeks of both."""
    policies = policies or load_policies()
    members, whole = _active(course), _course_account(course, policies, now)
    accounts = _accounts(members, policies, now)
    used = _used([*accounts, whole])
    return sorted(_standings(members, accounts, policies, used), key=least_left), _balance(whole, used)


def _active(course: Course) -> list[Membership]:
    rows = course.memberships.filter(is_active=True).select_related("user", "course")
    return list(rows.order_by("external_id"))


def _accounts(members: Sequence[Membership], policies: Policies, now: datetime) -> list[Account]:
    return [policies.accounts(principal_of(member), now=now)[0] for member in members]


def _standings(
    members: Sequence[Membership], accounts: Sequence[Account], policies: Policies, used: "_Weeks"
) -> list[MemberStanding]:
    return [
        MemberStanding(member, _balance(account, used), _base(policies, principal_of(member)))
        for member, account in zip(members, accounts, strict=True)
    ]


def with_locks(
    standings: Sequence[MemberStanding],
    course: Course,
    *,
    left: int | None,
    usual: UsualCall | None,
    recent: Mapping[int, Recent],
    now: datetime,
    policies: Policies | None = None,
) -> list[MemberStanding]:
    """The same standings of students of one course, each with whether the next usual call would be refused.

    `left` is what the whole course has. What was asked lately is recorded above this app, so
    `apps.conversations.lockouts` reads it and passes it in: the latest calls by id of the member. Three queries at
    most, however many students there are.
    """
    refused = [pk for pk, one in recent.items() if one.refused_at is not None]
    relieved = _relieved(course, refused, now=now) if refused else {}
    locks = (
        lock_of(
            left=lower(one.left, left),
            usual=usual.charge if usual else None,
            recent=recent.get(one.member.pk, Recent()),
            relieved_at=relieved.get(one.member.pk),
        )
        for one in standings
    )
    return [replace(one, lock=lock) for one, lock in zip(standings, locks, strict=True)]


def whole_course(course: Course, *, now: datetime, policies: Policies | None = None) -> Balance:
    """The week of a whole course."""
    account = _course_account(course, policies or load_policies(), now)
    return _balance(account, _used([account]))


def _course_account(course: Course, policies: Policies, now: datetime) -> Account:
    return Account("course", course.pk, policies.course_limit(course.pk, now=now), booking.week_of(course, now=now))


def _relieved(course: Course, members: Sequence[int], *, now: datetime) -> dict[int, datetime]:
    """When staff last changed what each of these members may use this week, if they did."""
    start = booking.week_of(course, now=now).starts_at
    own = Q(usage__kind=WeeklyUsage.Kind.STUDENT, usage__account__in=members)
    whole = Q(usage__kind=WeeklyUsage.Kind.COURSE, usage__account=course.pk)
    # Spelled as in the condition of the index of staff's entries, or it would not be used.
    by_staff = Q(kind="grant") | Q(kind="correct") | Q(kind="change")
    lines = LedgerEntry.objects.filter(by_staff, own | whole, usage__starts_at=start).order_by()
    latest = {
        (kind, account): at
        for kind, account, at in lines.values_list("usage__kind", "usage__account").annotate(at=Max("at"))
    }
    everybody = [at for at in (latest.get((WeeklyUsage.Kind.COURSE, course.pk)), _policy_changed_at(course)) if at]
    found = {pk: [*everybody, *(at for at in (latest.get((WeeklyUsage.Kind.STUDENT, pk)),) if at)] for pk in members}
    return {pk: max(instants) for pk, instants in found.items() if instants}


def _policy_changed_at(course: Course) -> datetime | None:
    policy = QuotaPolicy.objects.filter(course=course).values(key=Cast("pk", CharField()))
    about = AuditEntry.objects.filter(object_type=QuotaPolicy._meta.label_lower, object_id=Subquery(policy))
    return about.order_by("-id").values_list("at", flat=True).first()


def _base(policies: Policies, principal: Principal) -> int:
    return policies.of_role(principal).weekly_tokens or 0


_Weeks = Mapping[tuple[str, int, datetime], WeeklyUsage]


def _used(accounts: Iterable[Account]) -> _Weeks:
    """The rows of these accounts, by kind, account and start of the week."""
    wanted = {(account.kind, account.id, account.week.starts_at) for account in accounts}
    students = {id for kind, id, _ in wanted if kind == WeeklyUsage.Kind.STUDENT}
    # By start, of which there is one per course, rather than by thousands of ids.
    starts = {start for kind, _, start in wanted if kind == WeeklyUsage.Kind.STUDENT}
    found = Q(kind=WeeklyUsage.Kind.STUDENT, starts_at__in=starts) if students else Q(pk__in=())
    if len(students) == 1:
        found &= Q(account__in=students)
    for kind, id, start in wanted:
        if kind != WeeklyUsage.Kind.STUDENT:
            found |= Q(kind=kind, account=id, starts_at=start)
    rows = {(row.kind, row.account, row.starts_at): row for row in WeeklyUsage.objects.filter(found).iterator()}
    return {key: rows[key] for key in wanted & rows.keys()}


def _balance(account: Account, used: _Weeks) -> Balance:
    row = used.get((account.kind, account.id, account.week.starts_at))
    return Balance(account, row.used, row.held, row.granted) if row else Balance(account, 0, 0, 0)


def limits_of(weeks: Sequence[WeeklyUsage], *, now: datetime) -> dict[int, int | None]:
    """The limits of the weeks that are running, by id, with what was granted. None is no limit.

    Weeks that are over are left out, since their limits are not stored.
    """
    running = [week for week in weeks if week.starts_at <= now < week.ends_at]
    policies = load_policies()
    ids = {week.account for week in running if week.kind in WeeklyUsage.OF_STUDENTS}
    members = {one.pk: one for one in Membership.objects.filter(pk__in=ids).select_related("course")}
    return {week.pk: _limit_with_grants(policies, week, members.get(week.account), now) for week in running}


def _limit_with_grants(policies: Policies, week: WeeklyUsage, member: Membership | None, now: datetime) -> int | None:
    if week.kind == WeeklyUsage.Kind.STUDENT and member is not None:
        return policies.accounts(principal_of(member), now=now)[0].limit_with(week.granted)
    limit = _limit(policies, week, member, now)
    return None if limit is None else limit + week.granted


def _limit(policies: Policies, week: WeeklyUsage, member: Membership | None, now: datetime) -> int | None:
    """The limit of what is no student's own week."""
    if week.kind == WeeklyUsage.Kind.COURSE:
        return policies.course_limit(week.account, now=now)
    if week.kind == WeeklyUsage.Kind.INSTITUTION:
        return policies.institution.weekly_tokens if policies.institution else None
    if member is None:
        return 0  # former members may use nothing
    accounts = policies.accounts(principal_of(member), now=now)
    return policies.fallback_accounts(accounts, course_id=member.course_id)[0].limit


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decisions behind a student's limit this week."""

    override: Override | None
    boost: Boost | None


def explain(member: Membership, *, now: datetime) -> Explanation:
    """The newest override and the largest boost that are in force."""
    overrides = member.overrides.active(now=now).select_related("author").order_by("-pk")
    boosts = member.course.boosts.active(now=now).select_related("author").order_by("-factor", "-ends_at")
    return Explanation(override=overrides.first(), boost=boosts.first())


def sum_of(standing: MemberStanding, *, policies: Policies, now: datetime) -> LimitSum:
    """What the limit of this standing consists of."""
    principal = principal_of(standing.member)
    return policies.limit_sum(principal, granted=standing.balance.granted, now=now)


def weeks_of(member: Membership) -> Any:
    """The weeks in which a student's own account moved, latest first."""
    return WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.STUDENT, account=member.pk).order_by("-starts_at")
