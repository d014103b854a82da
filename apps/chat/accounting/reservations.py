"""Reserving: nothing is sent to a provider without a hold, for the requested model or for the fallback model."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from apps.chat.accounting import journal, outbox, records, token_rates
from apps.chat.accounting.books import Books
from apps.chat.accounting.estimates import Estimate, text_bytes
from apps.chat.accounting.journal import JournalEntry
from apps.chat.accounting.quota_headers import quota_headers
from apps.chat.accounting.refusals import Refused, refusal_of
from apps.chat.accounting.token_rates import TokenPace
from apps.chat.call import ChatCall
from apps.chat.idempotency.claims import ClaimEnd
from apps.chat.idempotency.keys import Claim, ClaimTaken
from apps.common.commit import StoreAway
from apps.quotas.ledger.movements import Account, Balance, Held, Release, Reserve, Short
from apps.quotas.policies import Plan
from apps.rules.rulebook import Verdict

EXPIRY_MARGIN = timedelta(seconds=60)


class Reservation(NamedTuple):
    """A committed hold: the output tokens per choice that it pays for, and the balances that include it.

    `turned` is the call for the fallback model, if that one is to answer.
    """

    amount: int
    input_estimate: int
    floor: int
    output: int
    is_capped: bool
    balances: tuple[Balance, ...]
    pace: TokenPace = token_rates.NONE
    turned: ChatCall | None = None


async def reserve(
    books: Books, call: ChatCall, verdict: Verdict, *, now: datetime, claim: Claim | None = None
) -> Reservation:
    """Hold what the call may cost, if its tokens fit into the minute.

    If the student's own week is used up and the course has a fallback model, the hold is for that model. With a claim
    on an Idempotency-Key, it is made only if the claim is free. Raises TokensLimited, OutOfQuota, AllowanceInUse (both
    recorded already), StoreAway, or the error of `ClaimTaken`.
    """
    policies = books.policies.current
    plan = policies.plan(call.principal, now=now)
    outcome = await _attempt(books, call, verdict, plan, plan.accounts, now=now, claim=claim)
    if isinstance(outcome, Refused) and (turned := _turned(books, call, outcome)) is not None:
        others = policies.fallback_accounts(plan.accounts, course_id=call.principal.course_id)
        second = await _attempt(books, turned, verdict, plan, others, now=now, claim=claim)
        if isinstance(second, Reservation):
            return second._replace(turned=turned)
        outcome = replace(outcome, fallback=second)
    if isinstance(outcome, Reservation):
        return outcome
    refused = refusal_of(
        outcome,
        source=policies.limit_source(call.principal, now=now),
        headers=quota_headers(outcome.short.balances, now=now),
    )
    await records.refused(books, call, verdict, refused, status="out_of_quota", now=now)
    raise refused


def _turned(books: Books, call: ChatCall, refused: Refused) -> ChatCall | None:
    """The call for the fallback model, if the student's own week is used up and the course has one."""
    principal, catalogue = call.principal, books.catalogue.current
    name = books.policies.current.fallback_model(principal.course_id)
    route = catalogue.route(name, principal.demand)
    if refused.short.account.kind != "student" or route is None or not catalogue.allows(principal.course_id, name):
        return None
    if not principal.scopes.admits_model(name):
        return None
    return None if route.barred_by or route.refused_in(call.body) else call.turned_to(route)


async def _attempt(
    books: Books,
    call: ChatCall,
    verdict: Verdict,
    plan: Plan,
    accounts: tuple[Account, ...],
    *,
    now: datetime,
    claim: Claim | None,
) -> "Reservation | Refused":
    """Hold what this model may cost on all of these accounts, or none. Raises as `reserve`, except OutOfQuota."""
    likely = books.ratios.estimate(call.route.name, text_bytes(call.size, verdict.guidance)) + call.media_tokens
    estimate = Estimate.of(
        call,
        input=likely,
        default_output=plan.course.default_output_tokens,
        most_output=plan.course.max_output_tokens,
        least_output=plan.course.least_output_tokens,
    )
    pace = await token_rates.take(plan.token_scopes, books.rates, amount=estimate.amount)
    try:
        outcome = await _hold(books, call, verdict, accounts, estimate, likely=likely, now=now, claim=claim)
    except BaseException:
        await token_rates.correct(books.rates, pace, amount=0)
        raise
    if isinstance(outcome, Short):
        await token_rates.correct(books.rates, pace, amount=0)
        return Refused(call.route.name, estimate, outcome)
    return Reservation(
        amount=outcome.amount,
        input_estimate=likely,
        floor=estimate.floor,
        output=estimate.output_within(outcome.amount, call),
        is_capped=outcome.amount < estimate.amount,
        balances=outcome.balances,
        pace=pace,
    )


async def _hold(
    books: Books,
    call: ChatCall,
    verdict: Verdict,
    accounts: tuple[Account, ...],
    estimate: Estimate,
    *,
    likely: int,
    now: datetime,
    claim: Claim | None,
) -> Held | Short:
    row, hits = records.row_of(call, now=now, input_tokens=likely), records.hit_rows(call, verdict)
    movement = Reserve(
        hold=call.id,
        owner=books.owner,
        accounts=accounts,
        amount=estimate.amount,
        least=estimate.least,
        floor=estimate.floor,
        identity=journal.identity(row, hits),
        now=now,
        expires_at=now + timedelta(seconds=call.route.longest) + EXPIRY_MARGIN,
    )
    try:
        outcome = await books.writer.submit(journal.apply, JournalEntry(movement, claim=claim))
    except StoreAway as error:
        if error.is_unknown:  # the hold may exist, and then nothing else would end it
            kept = ClaimEnd(claim.id, call.id, None) if claim is not None else None
            await outbox.put(books.spool, JournalEntry(Release(hold=call.id, now=now), kept=kept), call=call.id)
        raise
    if isinstance(outcome, ClaimTaken) and claim is not None:
        raise outcome.refusal(claim) or outcome.in_flight()
    assert isinstance(outcome, Held | Short)  # noqa: S101  # a reservation has no other outcomes
    return outcome
