"""The answer of GET /v1/usage, made from the ledger's figures."""

from datetime import datetime
from zoneinfo import ZoneInfo

from apps.accounts.principals import Principal
from apps.common.commit import Writer
from apps.portal.schemas import (
    AccountUsage,
    AllowanceRequestOut,
    BoostOut,
    EntryOut,
    FallbackOut,
    LimitOut,
    OverrideOut,
    UsageOut,
    UsageWeek,
    instant,
)
from apps.quotas import statements
from apps.quotas.ledger.movements import WARN_FROM, Balance, percentage_used, remaining_of
from apps.quotas.limits import BoostPeriod, OverridePeriod
from apps.quotas.policies import Policies
from apps.quotas.statements import Line
from apps.quotas.sums import LimitSum
from apps.quotas.weeks import Week


async def usage(reader: Writer, policies: Policies, principal: Principal, *, now: datetime) -> UsageOut:
    """The caller's current week. Raises StoreAway."""
    accounts = policies.accounts(principal, now=now)
    model = policies.fallback_model(principal.course_id)
    fallback = policies.fallback_accounts(accounts, course_id=principal.course_id)[:1] if model else ()
    statement = await reader.submit(statements.read, (*accounts, *fallback))
    count = len(accounts)
    source, own = policies.limit_source(principal, now=now), statement.balances[0]
    return UsageOut(
        course=principal.course_slug,
        week=_week(own.account.week),
        limit=own.limit,
        limit_parts=_parts(policies.limit_sum(principal, granted=own.granted, now=now), principal, now=now),
        used=own.used,
        held=own.held,
        remaining=remaining_of(statement.balances[:count]),
        granted=own.granted,
        resets_at=instant(own.account.week.ends_at),
        warning=percentage_used(own) >= WARN_FROM,
        accounts=[_account(balance) for balance in statement.balances[:count]],
        boosts=[_boost(source.boost)] if source.boost else [],
        override=_override(source.override) if source.override else None,
        fallback=_fallback(model, statement.balances[count]) if fallback else None,
        entries=[_entry(line) for line in statement.lines],
        requests=[AllowanceRequestOut.from_orm(view) for view in statement.requests],
    )


def _parts(parts: LimitSum, principal: Principal, *, now: datetime) -> LimitOut:
    return LimitOut(
        base=parts.base,
        is_own=parts.is_own,
        share=float(parts.share),
        factor=float(parts.factor),
        granted=parts.granted,
        most=parts.most,
        sum=parts.in_words(now=now, timezone=principal.timezone),
    )


def _week(week: Week) -> UsageWeek:
    ends_at = instant(week.ends_at)
    return UsageWeek(
        starts_at=instant(week.starts_at),
        ends_at=ends_at,
        resets_at=ends_at,
        resets_at_local=week.ends_at.astimezone(ZoneInfo(week.timezone)).isoformat(),
        timezone=week.timezone,
    )


def _account(balance: Balance) -> AccountUsage:
    return AccountUsage(kind=balance.account.kind, limit=balance.limit, remaining=balance.remaining)


def _boost(boost: BoostPeriod) -> BoostOut:
    return BoostOut(
        factor=float(boost.factor),
        multiplies_course=boost.multiplies_course,
        until=instant(boost.ends_at),
        reason=boost.reason,
    )


def _override(override: OverridePeriod) -> OverrideOut:
    return OverrideOut(
        weekly_tokens=override.weekly_tokens,
        until=instant(override.ends_at) if override.ends_at else None,
        reason=override.reason,
    )


def _fallback(model: str, balance: Balance) -> FallbackOut:
    return FallbackOut(
        model=model,
        limit=balance.limit or 0,
        used=balance.used,
        held=balance.held,
        remaining=balance.remaining or 0,
    )


def _entry(line: Line) -> EntryOut:
    return EntryOut(
        kind=line.kind,
        amount=line.amount,
        held=line.held,
        used=line.used,
        granted=line.granted,
        request_id=line.call or None,
        note=line.note,
        at=instant(line.at),
    )
