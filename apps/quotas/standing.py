"""How the students of a course stand this week, computed by the rules that calls obey."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.accounts.models import Course, Membership
from apps.accounts.principals import Principal, principal_of
from apps.quotas.ledger.movements import Account, Balance
from apps.quotas.models import Boost, Override, WeeklyUsage
from apps.quotas.policies import Policies, load_policies

NEAR = 0.8


@dataclass(frozen=True, slots=True)
class MemberStanding:
    """One student's own account in one week."""

    member: Membership
    balance: Balance
    base: int  # weekly tokens of the role, before boosts and overrides

    @property
    def limit(self) -> int | None:
        """None is no limit."""
        return self.balance.limit

    @property
    def left(self) -> int | None:
        return self.balance.remaining

    @property
    def state(self) -> str:
        """`out`, `near` (from 80 percent), `unused` or `fine`."""
        taken = self.balance.used + self.balance.held
        if self.left == 0:
            return "out"
        if self.limit is not None and taken >= NEAR * self.limit:
            return "near"
        return "fine" if taken else "unused"


def of_course(course: Course, *, now: datetime) -> list[MemberStanding]:
    """All active members, those with least left first. Takes a few queries, however many members there are."""
    members = list(course.memberships.filter(is_active=True).select_related("user", "course").order_by("external_id"))
    return sorted(of_members(members, now=now), key=_order)


def _order(standing: MemberStanding) -> tuple[bool, int, str]:
    return standing.left is None, standing.left or 0, standing.member.external_id


def of_members(members: Sequence[Membership], *, now: datetime) -> list[MemberStanding]:
    """One standing for each member, in the same order."""
    policies = load_policies()
    principals = [principal_of(member) for member in members]
    accounts = [policies.accounts(principal, now=now)[0] for principal in principals]
    used = _used(accounts)
    return [
        MemberStanding(member, _balance(account, used), _base(policies, principal))
        for member, principal, account in zip(members, principals, accounts, strict=True)
    ]


def _base(policies: Policies, principal: Principal) -> int:
    return policies.of_role(principal).weekly_tokens or 0


def _used(accounts: Iterable[Account]) -> dict[tuple[int, datetime], WeeklyUsage]:
    """The rows of these accounts, by account and start of the week."""
    starts = {account.week.starts_at for account in accounts}
    wanted = {account.id for account in accounts}
    # By start, of which there is one per course, rather than by thousands of ids.
    rows = WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.STUDENT, starts_at__in=starts)
    if len(wanted) == 1:
        rows = rows.filter(account=next(iter(wanted)))
    return {(row.account, row.starts_at): row for row in rows.iterator() if row.account in wanted}


def _balance(account: Account, used: Mapping[tuple[int, datetime], WeeklyUsage]) -> Balance:
    row = used.get((account.id, account.week.starts_at))
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


def weeks_of(member: Membership) -> Any:
    """The weeks in which a student's own account moved, latest first."""
    return WeeklyUsage.objects.filter(kind=WeeklyUsage.Kind.STUDENT, account=member.pk).order_by("-starts_at")
