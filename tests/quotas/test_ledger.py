"""Reserving in the ledger, and what a batch of movements adds up to."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.quotas.ledger import rows
from apps.quotas.ledger.movements import Held, Movement, Short
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from apps.quotas.weeks import week_at
from tests.quotas.moves import COURSE, FREE, NOW, STUDENT, WEEK, drift, expire, move, release, reserve, settle, totals

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_balance")]


# Reserve


def test_what_fits_is_held_on_every_account() -> None:
    (outcome,) = move(reserve("a", 60, STUDENT, COURSE, FREE))

    assert isinstance(outcome, Held)
    assert outcome.amount == 60
    assert [balance.remaining for balance in outcome.balances] == [40, 190, None]
    assert [totals(account) for account in (STUDENT, COURSE, FREE)] == [(0, 60)] * 3


@pytest.mark.parametrize(
    ("limit", "taken", "amount", "least", "held"),
    [
        (100, 0, 100, 100, 100),
        (100, 0, 101, 101, None),
        (100, 40, 60, 60, 60),
        (100, 40, 61, 61, None),
        (100, 40, 61, 60, 60),
        (100, 40, 1000, 1, 60),
        (100, 40, 1000, 61, None),
        (100, 100, 1, 1, None),
        (100, 100, 0, 0, 0),
        (0, 0, 1, 1, None),
        (None, 10**15, 10**15, 10**15, 10**15),
    ],
)
def test_a_hold_is_the_amount_or_what_remains_but_never_less_than_the_least(
    limit: int | None, taken: int, amount: int, least: int, held: int | None
) -> None:
    account = replace(STUDENT, limit=limit)
    move(reserve("before", taken, account))

    (outcome,) = move(reserve("a", amount, account, least=least))

    assert (outcome.amount if isinstance(outcome, Held) else None) == held
    assert totals(account) == (0, taken + (held or 0))


def test_one_account_that_is_short_leaves_all_as_they_were() -> None:
    tight = replace(COURSE, limit=10)

    (outcome,) = move(reserve("a", 60, STUDENT, tight, FREE))

    assert isinstance(outcome, Short)
    assert outcome.account == tight
    assert totals(STUDENT) == totals(tight) == totals(FREE) == (0, 0)
    assert not Hold.objects.filter(id="a").exists()


def test_the_scarcest_account_caps_the_hold_for_all() -> None:
    (outcome,) = move(reserve("a", 200, STUDENT, replace(COURSE, limit=70), least=1))

    assert isinstance(outcome, Held)
    assert outcome.amount == 70
    assert totals(STUDENT) == totals(COURSE) == (0, 70)


def test_used_tokens_count_against_the_limit() -> None:
    move(reserve("a", 60), settle("a", 60))

    (outcome,) = move(reserve("b", 41))

    assert isinstance(outcome, Short)
    assert outcome.balances[0].remaining == 40


def test_after_a_cut_of_the_limit_nothing_remains_rather_than_less() -> None:
    move(reserve("a", 80))

    (outcome,) = move(reserve("b", 1, replace(STUDENT, limit=50)))

    assert isinstance(outcome, Short)
    assert outcome.balances[0].remaining == 0


def test_a_new_week_starts_empty() -> None:
    move(reserve("a", 100))
    next_week = week_at(WEEK.ends_at, timezone="UTC", first_day=0)

    (outcome,) = move(reserve("b", 100, replace(STUDENT, week=next_week)))

    assert isinstance(outcome, Held)


def test_a_refusal_does_not_disturb_its_neighbours() -> None:
    outcomes = move(reserve("a", 60), reserve("b", 60), reserve("c", 40))

    assert [type(outcome) for outcome in outcomes] == [Held, Short, Held]
    assert totals(STUDENT) == (0, 100)


# Folding

IDS = [f"hold-{number}" for number in range(6)]
ACCOUNTS = [replace(STUDENT, id=number, limit=limit) for number, limit in enumerate((50, 100, None))]
AMOUNTS = st.integers(0, 70)


@st.composite
def stories(draw: st.DrawFn) -> list[Movement]:
    """Movements in any order; a hold is reserved at most once."""
    unused = list(IDS)
    story: list[Movement] = []
    for _ in range(draw(st.integers(1, 15))):
        kind = draw(st.sampled_from(["reserve", "reserve", "settle", "release", "expire"]))
        if kind == "reserve" and unused:
            accounts = draw(st.lists(st.sampled_from(ACCOUNTS), min_size=1, max_size=3, unique=True))
            amount = draw(AMOUNTS)
            least, floor = draw(st.integers(0, amount)), draw(st.integers(0, 20))
            story.append(reserve(unused.pop(0), amount, *accounts, least=least, floor=floor))
        elif kind == "settle":
            story.append(settle(draw(st.sampled_from(IDS)), draw(AMOUNTS)))
        else:
            story.append((release if kind == "release" else expire)(draw(st.sampled_from(IDS))))
    return story


def books(story: list[Movement], *, batch: int) -> tuple[Any, ...]:
    """The outcomes and the rows that the story leaves, when it is applied in batches of a size. Rolled back."""
    with transaction.atomic():
        outcomes = [o for start in range(0, len(story), batch) for o in move(*story[start : start + batch])]
        result = (
            outcomes,
            list(WeeklyUsage.objects.order_by("kind", "account").values_list("kind", "account", "used", "held")),
            list(Hold.objects.order_by("id").values_list("id", "state", "amount", "charged", "resolved_at")),
            list(
                LedgerEntry.objects.order_by("id").values_list(
                    "usage__account", "hold", "kind", "held_delta", "used_delta", "at"
                )
            ),
        )
        assert drift() == []
        transaction.set_rollback(True)
    return result


@given(story=stories(), size=st.integers(2, 15))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_a_folded_batch_equals_one_by_one(story: list[Movement], size: int) -> None:
    assert books(story, batch=size) == books(story, batch=1)


@given(story=stories())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
def test_holds_never_exceed_a_limit_and_never_go_below_nothing(story: list[Movement]) -> None:
    outcomes, weeks, holds, _ = books(story, batch=len(story))

    for outcome in outcomes:
        if isinstance(outcome, Held) and outcome.amount:
            assert all(b.account.limit is None or b.used + b.held <= b.account.limit for b in outcome.balances)
    assert all(used >= 0 and held >= 0 for _, _, used, held in weeks)
    open_holds = sum(amount for _, state, amount, _, _ in holds if state == Hold.State.HELD)
    assert (sum(held for *_, held in weeks) == 0) == (open_holds == 0)


def test_what_it_remembers_of_weeks_is_bounded() -> None:
    move(reserve("a", 10))
    strangers = {("student", -number, NOW): 0 for number in range(rows._MAX_WEEK_IDS)}
    rows._week_ids.update(strangers)

    move(reserve("b", 10, replace(STUDENT, id=77)))

    assert len(rows._week_ids) <= 3


def test_what_it_remembers_of_its_holds_is_bounded() -> None:
    move(reserve("a", 10))
    rows._own_holds.update({f"stranger {number}": rows._own_holds["a"] for number in range(rows._MAX_OWN_HOLDS)})

    move(reserve("b", 10))

    assert rows._own_holds.keys() == {"b"}
