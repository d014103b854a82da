"""How a hold ends, and that it ends once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction

from apps.common.cursor import cursor_on
from apps.quotas.ledger import rows
from apps.quotas.ledger.leases import Checkpoint, write
from apps.quotas.ledger.movements import Ended, Expire, Held, Movement, Settle
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from tests.quotas.moves import COURSE, LATER, STUDENT, WEEK, entries, expire, move, release, reserve, settle, totals

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_balance")]


def checkpoint(hold: str, amount: int) -> None:
    connection.ensure_connection()
    write(cursor_on(connection), [[Checkpoint(hold, amount)]])


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
