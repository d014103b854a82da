"""The proof of the ledger finds whatever does not add up."""

from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from apps.quotas.ledger.audit import audit
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from tests.quotas.moves import expire, move, release, reserve, settle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books() -> None:
    """A ledger in which everything has happened once."""
    move(*(reserve(name, 10) for name in ("open", "settled", "released", "expired", "adjusted")))
    move(settle("settled", 7), release("released"), expire("expired"), expire("adjusted"))
    move(settle("adjusted", 9))


def shift(hold: str, *, tokens: int) -> None:
    """Take what a call was charged from the student and put it on the course, in every figure but the hold's own."""
    for kind, change in (("student", -tokens), ("course", tokens)):
        WeeklyUsage.objects.filter(kind=kind).update(used=F("used") + change)
        entry = LedgerEntry.objects.filter(hold=hold, usage__kind=kind).exclude(kind="hold")
        entry.update(used_delta=F("used_delta") + change)


def move_entries(hold: str) -> None:
    """Let another week pay for a call, with all its figures."""
    own = WeeklyUsage.objects.get(kind="student")
    other = WeeklyUsage.objects.create(kind="student", account=99, starts_at=own.starts_at, ends_at=own.ends_at)
    entries = LedgerEntry.objects.filter(usage=own, hold=hold)
    used = sum(entries.values_list("used_delta", flat=True))
    entries.update(usage=other)
    WeeklyUsage.objects.filter(pk=own.pk).update(used=F("used") - used)
    WeeklyUsage.objects.filter(pk=other.pk).update(used=used)


def give_itself(hold: str) -> None:
    LedgerEntry.objects.filter(hold=hold, usage__kind="student", kind="settle").update(granted_delta=5)
    WeeklyUsage.objects.filter(kind="student").update(granted=5)


def hold_by_staff() -> None:
    week = WeeklyUsage.objects.get(kind="student")
    week.entries.create(hold="grant-1", kind="grant", held_delta=5, used_delta=0, at=week.starts_at)
    WeeklyUsage.objects.filter(pk=week.pk).update(held=F("held") + 5)


def pass_off(hold: str) -> None:
    """Hide in the settlement what went beyond the hold."""
    move(reserve(hold, 10), settle(hold, 25))
    LedgerEntry.objects.filter(hold=hold, kind="excess").delete()
    LedgerEntry.objects.filter(hold=hold, kind="settle").update(used_delta=25)


TAMPERINGS: dict[str, Callable[[], object]] = {
    "used tokens that nobody used": lambda: WeeklyUsage.objects.filter(kind="student").update(used=F("used") + 1),
    "used tokens that vanished": lambda: WeeklyUsage.objects.filter(kind="course").update(used=F("used") - 1),
    "held tokens that nobody holds": lambda: WeeklyUsage.objects.filter(kind="student").update(held=F("held") + 1),
    "an entry that was changed": lambda: LedgerEntry.objects.filter(hold="settled", kind="settle").update(used_delta=6),
    "an entry that vanished": lambda: LedgerEntry.objects.filter(hold="settled", kind="settle").first().delete(),  # type: ignore[union-attr]
    "entries that vanished with their week's share": lambda: LedgerEntry.objects.filter(hold="settled").delete(),
    "a hold that vanished": lambda: Hold.objects.filter(id="settled").delete(),
    "a hold that charged something else": lambda: Hold.objects.filter(id="adjusted").update(charged=8),
    "a hold of another size": lambda: Hold.objects.filter(id="open").update(amount=11),
    "a charge shifted between accounts": lambda: shift("settled", tokens=7),
    "a call that somebody else pays for": lambda: move_entries("settled"),
    "a week that has no entries": lambda: LedgerEntry.objects.filter(usage__kind="course").delete(),
    "a released hold that charged": lambda: Hold.objects.filter(id="released").update(charged=3),
    "granted tokens that nobody granted": lambda: WeeklyUsage.objects.filter(kind="student").update(granted=1),
    "a call that granted itself tokens": lambda: give_itself("settled"),
    "staff who hold tokens": lambda: hold_by_staff(),
    "excess that is passed off as settled": lambda: pass_off("excessive"),
    "entries of a week that is gone": lambda: WeeklyUsage.objects.filter(kind="student")._raw_delete(using="default"),
    "a hold that never ended": lambda: Hold.objects.filter(id="released").update(state="held"),
}


def test_a_ledger_that_adds_up_has_no_drift(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit_ledger")

    assert capsys.readouterr().out == "2 weeks, 5 holds (1 open), excess 0: drift 0\n"


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_whatever_is_off_is_found(tamper: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    tamper()

    assert audit().drift > 0
    with pytest.raises(CommandError):
        call_command("audit_ledger")
    assert len(capsys.readouterr().out.splitlines()) >= 2


def test_the_figure_that_is_off_is_named_with_both_values() -> None:
    WeeklyUsage.objects.filter(kind="student").update(used=F("used") + 5)

    (drift,) = audit().drifts

    assert "student 1, week of 2026-11-16, used" in str(drift)
    assert (drift.stored - drift.proven, audit().drift) == (5, 5)


def test_what_went_beyond_the_holds_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    move(reserve("more", 10), reserve("most", 10), settle("more", 11), settle("most", 40))

    call_command("audit_ledger")

    assert "excess 31: drift 0" in capsys.readouterr().out


def test_looking_changes_nothing() -> None:
    before = [list(model.objects.order_by("pk").values()) for model in (WeeklyUsage, Hold, LedgerEntry)]

    audit()

    assert [list(model.objects.order_by("pk").values()) for model in (WeeklyUsage, Hold, LedgerEntry)] == before


def test_a_ledger_that_adds_up_ends_the_command_with_0_and_one_that_does_not_with_1() -> None:
    call_command("audit_ledger")
    WeeklyUsage.objects.filter(kind="student").update(used=F("used") + 1)

    with pytest.raises(CommandError) as caught:
        call_command("audit_ledger")

    assert caught.value.returncode == 1
