"""What staff do to a week: grants, corrections and notes, in the ledger with who and why."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction

from apps.accounts.models import Membership
from apps.common.cursor import cursor_on
from apps.quotas.ledger import ledger
from apps.quotas.ledger.audit import audit
from apps.quotas.ledger.movements import Booked, Correct, Grant, Held, Note, Short, StaffMovement
from apps.quotas.models import LedgerEntry, WeeklyUsage
from apps.quotas.weeks import week_at
from tests.quotas.moves import COURSE, FREE, LATER, NOW, STUDENT, WEEK, move, reserve, settle, totals

pytestmark = pytest.mark.django_db


def grant(id: str, amount: int, *, actor: int | None = None, note: str = "") -> Grant:
    return Grant(id=id, account=STUDENT, amount=amount, actor=actor, note=note, now=NOW)


def correct(id: str, used_delta: int) -> Correct:
    return Correct(id=id, account=STUDENT, used_delta=used_delta, actor=None, note="", now=NOW)


def record(*movements: StaffMovement) -> list[Booked]:
    connection.ensure_connection()
    return ledger.record(cursor_on(connection), movements)


@pytest.fixture(autouse=True)
def books_balance() -> object:
    yield
    assert audit().drifts == ()


def test_a_grant_adds_to_what_remains_of_the_week() -> None:
    move(reserve("a", 100, STUDENT))

    (booked,) = record(grant("grant-1", 50))

    assert (booked.amount, booked.changed, booked.balance.limit, booked.balance.remaining) == (50, True, 150, 50)
    (held,) = move(reserve("b", 50, STUDENT))
    assert isinstance(held, Held)
    assert held.balances[0].remaining == 0


def test_a_grant_is_for_one_account_in_one_week() -> None:
    record(grant("grant-1", 50))
    next_week = replace(STUDENT, week=week_at(WEEK.ends_at, timezone="UTC", first_day=0))

    outcomes = move(reserve("a", 101, next_week), reserve("b", 101, replace(STUDENT, id=2)), reserve("c", 150, STUDENT))

    assert [type(outcome) for outcome in outcomes] == [Short, Short, Held]


def test_a_grant_without_a_limit_to_raise_is_harmless() -> None:
    (booked,) = record(replace(grant("grant-1", 50), account=FREE))

    assert (booked.balance.limit, booked.balance.remaining) == (None, None)


def test_who_and_why_are_in_the_ledger(tess: Membership) -> None:
    record(grant("grant-1", 50, actor=tess.user.pk, note="Was ill"))

    entry = LedgerEntry.objects.get(hold="grant-1")

    assert (entry.kind, entry.actor, entry.note, entry.at) == ("grant", tess.user, "Was ill", NOW)
    assert (entry.held_delta, entry.used_delta, entry.granted_delta) == (0, 0, 50)


def test_an_entry_outlives_whoever_made_it(tess: Membership) -> None:
    record(grant("grant-1", 50, actor=tess.user.pk, note="Was ill"))

    tess.user.delete()

    entry = LedgerEntry.objects.get(hold="grant-1")
    assert (entry.actor, entry.note) == (None, "Was ill")


@pytest.mark.parametrize("is_in_one_batch", [True, False])
def test_what_staff_do_counts_once(is_in_one_batch: bool) -> None:
    once = [grant("grant-1", 50), correct("correct-1", 20)]

    first = record(*once, *once) if is_in_one_batch else [*record(*once), *record(*once)]

    assert [booked.changed for booked in first] == [True, True, False, False]
    assert [booked.amount for booked in first] == [50, 20, 0, 0]
    assert first[3].balance.remaining == 130
    assert LedgerEntry.objects.count() == 2


@pytest.mark.parametrize(("delta", "used"), [(30, 90), (-20, 40), (-60, 0), (-61, 0)])
def test_a_correction_charges_or_refunds_but_never_below_nothing(delta: int, used: int) -> None:
    move(reserve("a", 60, STUDENT), settle("a", 60))

    (booked,) = record(correct("correct-1", delta))

    assert totals(STUDENT) == (used, 0)
    assert booked.amount == used - 60


def test_a_grant_can_be_taken_back_but_no_more_than_was_granted() -> None:
    record(grant("grant-1", 50))

    (booked,) = record(grant("grant-2", -80))

    assert (booked.amount, booked.balance.limit) == (-50, 100)


def test_a_note_moves_nothing() -> None:
    (booked,) = record(Note(id="change-1", account=STUDENT, actor=None, note="Doubled until Friday", now=NOW))

    entry = LedgerEntry.objects.get()
    assert (entry.kind, entry.note, entry.held_delta, entry.used_delta, entry.granted_delta) == (
        "change", "Doubled until Friday", 0, 0, 0,
    )  # fmt: skip
    assert booked.changed and booked.balance.remaining == 100


def test_calls_and_staff_may_share_a_batch() -> None:
    outcomes = move(reserve("a", 150, STUDENT), grant("grant-1", 50), reserve("b", 150, STUDENT), settle("b", 120))

    assert isinstance(outcomes[0], Short)
    assert isinstance(outcomes[2], Held)
    assert list(LedgerEntry.objects.order_by("pk").values_list("hold", "granted_delta")) == [
        ("grant-1", 50), ("b", 0), ("b", 0),
    ]  # fmt: skip
    assert WeeklyUsage.objects.get().granted == 50


def test_a_balance_knows_what_was_granted() -> None:
    record(grant("grant-1", 50))
    move(reserve("a", 30))

    ((student, course),) = ledger.balances(cursor_on(connection), [(STUDENT, COURSE)])

    assert (student.granted, student.remaining, course.granted) == (50, 120, 0)


def test_what_is_rolled_back_is_undone() -> None:
    with transaction.atomic():
        record(grant("grant-1", 50))
        transaction.set_rollback(True)

    (booked,) = record(replace(grant("grant-1", 50), now=LATER + timedelta(hours=1)))

    assert booked.changed
    assert booked.balance.limit == 150
