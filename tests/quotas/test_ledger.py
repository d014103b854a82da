"""The ledger's movements, applied to a real database one by one and folded into batches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.cursor import cursor_on
from apps.quotas.ledger import rows
from apps.quotas.ledger.leases import Checkpoint, write
from apps.quotas.ledger.ledger import apply
from apps.quotas.ledger.movements import (
    Account,
    Ended,
    Expire,
    Held,
    Movement,
    Outcome,
    Release,
    Reserve,
    Settle,
    Short,
)
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from apps.quotas.weeks import week_at

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
WEEK = week_at(NOW, timezone="UTC", first_day=0)
STUDENT = Account("student", 1, 100, WEEK)
COURSE = Account("course", 1, 250, WEEK)
FREE = Account("institution", 1, None, WEEK)


def move(*movements: Movement) -> list[Outcome]:
    """Apply the movements as one batch."""
    connection.ensure_connection()
    return apply(cursor_on(connection), movements)


def reserve(hold: str, amount: int, *accounts: Account, least: int | None = None, floor: int = 5) -> Reserve:
    return Reserve(
        hold=hold,
        owner="owner",
        accounts=accounts or (STUDENT, COURSE),
        amount=amount,
        least=amount if least is None else least,
        floor=floor,
        identity="{}",
        now=NOW,
        expires_at=LATER,
    )


def settle(hold: str, charge: int) -> Settle:
    return Settle(hold=hold, charge=charge, now=LATER)


def release(hold: str) -> Release:
    return Release(hold=hold, now=LATER)


def expire(hold: str) -> Expire:
    return Expire(hold=hold, now=LATER)


def checkpoint(hold: str, amount: int) -> None:
    connection.ensure_connection()
    write(cursor_on(connection), [[Checkpoint(hold, amount)]])


def totals(account: Account) -> tuple[int, int]:
    """What the account has used and holds."""
    row = WeeklyUsage.objects.filter(kind=account.kind, account=account.id).first()
    return (row.used, row.held) if row else (0, 0)


def drift() -> list[Any]:
    """Weeks that are not the sum of their entries."""
    sums = WeeklyUsage.objects.annotate(
        u=Sum("entries__used_delta", default=0), h=Sum("entries__held_delta", default=0)
    )
    return list(sums.exclude(u=F("used"), h=F("held")))


@pytest.fixture(autouse=True)
def books_balance() -> Any:
    """After every test, whatever happened in it."""
    yield
    assert drift() == []


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


# Ends of a hold


def test_settling_replaces_the_hold_by_the_true_amount() -> None:
    move(reserve("a", 60))

    (outcome,) = move(settle("a", 25))

    assert outcome == Ended("settled", 25, True, "{}", ((25, 0, 0), (25, 0, 0)))
    assert Hold.objects.get(id="a").resolved_at == LATER


def test_settling_may_charge_more_than_was_held() -> None:
    move(reserve("a", 90))

    move(settle("a", 130))

    assert totals(STUDENT) == (130, 0)


def entries(hold: str) -> list[tuple[str, int, int]]:
    """What the call moved on the student's week after its hold."""
    rows = LedgerEntry.objects.filter(hold=hold, usage__kind="student").exclude(kind="hold").order_by("id")
    return list(rows.values_list("kind", "held_delta", "used_delta"))


@pytest.mark.parametrize(
    ("movements", "moved"),
    [
        ([settle("a", 60)], [("settle", -60, 60)]),
        ([settle("a", 61)], [("settle", -60, 60), ("excess", 0, 1)]),
        ([expire("a"), settle("a", 90)], [("expire", -60, 5), ("adjust", 0, 55), ("excess", 0, 30)]),
    ],
)
def test_what_is_charged_beyond_the_hold_is_an_entry_of_its_own(
    movements: list[Movement], moved: list[tuple[str, int, int]]
) -> None:
    move(reserve("a", 60))

    move(*movements)

    assert entries("a") == moved


@pytest.mark.parametrize(
    ("charge", "moved"),
    [
        (100, [("adjust", 0, 0), ("excess", 0, 10)]),
        (70, [("adjust", 0, 0), ("excess", 0, -20)]),
        (40, [("adjust", 0, -20), ("excess", 0, -30)]),
        (90, [("adjust", 0, 0)]),
    ],
)
def test_a_zombie_adjusts_the_excess_as_well(charge: int, moved: list[tuple[str, int, int]]) -> None:
    move(reserve("a", 60))
    checkpoint("a", 90)
    move(expire("a"))

    move(settle("a", charge))

    assert entries("a") == [("expire", -60, 60), ("excess", 0, 30), *moved]


def test_releasing_gives_all_of_it_back() -> None:
    move(reserve("a", 60))

    (outcome,) = move(release("a"))

    assert isinstance(outcome, Ended)
    assert (outcome.state, outcome.charged, outcome.changed) == ("released", 0, True)
    assert totals(STUDENT) == (0, 0)


@pytest.mark.parametrize(("written", "charged"), [(None, 5), (3, 5), (5, 5), (42, 42)])
def test_expiring_charges_the_floor_or_the_checkpoint(written: int | None, charged: int) -> None:
    move(reserve("a", 60, floor=5))
    if written is not None:
        checkpoint("a", written)

    (outcome,) = move(expire("a"))

    assert isinstance(outcome, Ended)
    assert (outcome.state, outcome.charged) == ("expired", charged)
    assert totals(STUDENT) == totals(COURSE) == (charged, 0)


def test_a_checkpoint_after_the_end_changes_nothing() -> None:
    move(reserve("a", 60), settle("a", 25))

    checkpoint("a", 50)

    assert Hold.objects.get(id="a").checkpoint == 0


ENDS = {"settle": settle("a", 25), "release": release("a"), "expire": expire("a")}


@pytest.mark.parametrize("second", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("first", ENDS.values(), ids=ENDS.keys())
def test_a_hold_ends_once_except_that_an_expired_one_may_still_be_settled(first: Movement, second: Movement) -> None:
    move(reserve("a", 60), first)
    before = totals(STUDENT)

    (outcome,) = move(second)

    assert isinstance(outcome, Ended)
    late = isinstance(first, Expire) and isinstance(second, Settle)
    assert outcome.changed == late
    assert totals(STUDENT) == ((25, 0) if late else before)


def test_a_zombie_adjusts_the_charge_once() -> None:
    move(reserve("a", 60, floor=5), expire("a"))

    first, second = move(settle("a", 40)), move(settle("a", 99))

    assert first == [Ended("adjusted", 40, True, "{}", ((40, 0, 0), (40, 0, 0)))]
    assert second == [Ended("adjusted", 40, False, "{}", ((40, 0, 0), (40, 0, 0)))]


def test_a_zombie_may_also_give_back() -> None:
    move(reserve("a", 60, floor=30), expire("a"))

    move(settle("a", 10))

    assert totals(STUDENT) == (10, 0)


def test_a_zombie_cannot_release_what_was_charged() -> None:
    move(reserve("a", 60, floor=30), expire("a"))

    move(release("a"))

    assert totals(STUDENT) == (30, 0)


def test_an_end_without_a_hold_is_answered_with_none() -> None:
    assert move(settle("x", 1), release("x"), expire("x")) == [None, None, None]
    assert not LedgerEntry.objects.exists()


def test_a_late_settlement_is_charged_to_the_week_of_the_reservation() -> None:
    move(reserve("a", 60))

    move(Settle(hold="a", charge=25, now=WEEK.ends_at + timedelta(hours=1)))

    assert WeeklyUsage.objects.get(kind="student", account=1).starts_at == WEEK.starts_at
    assert totals(STUDENT) == (25, 0)


def test_a_hold_may_begin_and_end_in_one_batch() -> None:
    outcomes = move(reserve("a", 60), settle("a", 25), reserve("b", 75))

    assert isinstance(outcomes[2], Held)
    assert totals(STUDENT) == (25, 75)
    assert Hold.objects.get(id="a").state == Hold.State.SETTLED


def test_a_reservation_that_is_repeated_changes_nothing() -> None:
    move(reserve("a", 10))

    with pytest.raises(Exception, match=r"(?i)unique"), transaction.atomic():
        move(reserve("a", 10))

    assert totals(STUDENT) == (0, 10)


def test_every_movement_leaves_an_entry_on_every_account() -> None:
    move(reserve("a", 60), settle("a", 25))

    entries = (
        LedgerEntry.objects.filter(hold="a")
        .order_by("id")
        .values_list("usage__kind", "kind", "held_delta", "used_delta")
    )

    assert list(entries) == [
        ("student", "hold", 60, 0),
        ("course", "hold", 60, 0),
        ("student", "settle", -60, 25),
        ("course", "settle", -60, 25),
    ]


@pytest.mark.parametrize(
    "identity", ['{"a": "say \\"hi\\", C:\\\\new"}', "{a,b}", "NULL", "", "two\nlines\tand ünï ☃", "'%s' $1"]
)
def test_a_hold_gives_back_the_identity_that_it_was_given(identity: str) -> None:
    move(reserve("a", 60)._replace(identity=identity))

    (outcome,) = move(release("a"))

    assert isinstance(outcome, Ended)
    assert outcome.identity == identity


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


# A hold that its own process ends, which need not read it


def test_one_that_another_process_expired_is_adjusted() -> None:
    move(reserve("a", 60, floor=7))
    remembered = rows._own_holds["a"]
    move(expire("a"))
    rows._own_holds["a"] = remembered

    (outcome,) = move(settle("a", 25))

    assert isinstance(outcome, Ended)
    assert (outcome.state, outcome.changed, totals(STUDENT)) == ("adjusted", True, (25, 0))


def test_one_that_expires_in_the_batch_that_settles_it_is_charged_its_checkpoint_and_adjusted() -> None:
    move(reserve("a", 60, floor=7))
    checkpoint("a", 30)

    expired, settled = move(expire("a"), settle("a", 25))

    assert isinstance(expired, Ended)
    assert isinstance(settled, Ended)
    assert (expired.charged, settled.state, totals(STUDENT)) == (30, "adjusted", (25, 0))


def test_one_whose_reservation_was_undone_is_none() -> None:
    with transaction.atomic():
        move(reserve("a", 60))
        transaction.set_rollback(True)

    assert move(settle("a", 25)) == [None]


def test_one_that_was_made_again_is_ended_as_it_is_now() -> None:
    """Its first reservation was undone; what is remembered of that is not believed."""
    move(reserve("a", 60))
    remembered = rows._own_holds["a"]
    rows._own_holds["a"] = replace(remembered, amount=10)

    move(settle("a", 70))

    assert totals(STUDENT) == (70, 0)
    assert list(LedgerEntry.objects.filter(hold="a", kind="excess").values_list("used_delta", flat=True)) == [10, 10]
