"""The proof of the ledger finds whatever does not add up."""

from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from apps.quotas.audit import audit
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from tests.quotas.test_ledger import expire, move, release, reserve, settle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books() -> None:
    """A ledger in which everything has happened once."""
    move(*(reserve(name, 10) for name in ("open", "settled", "released", "expired", "adjusted")))
    move(settle("settled", 7), release("released"), expire("expired"), expire("adjusted"))
    move(settle("adjusted", 9))


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
    "a hold that never ended": lambda: Hold.objects.filter(id="released").update(state="held"),
}


def test_a_ledger_that_adds_up_has_no_drift(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit_ledger")

    assert capsys.readouterr().out == "2 weeks, 5 holds (1 open): drift 0\n"


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_whatever_is_off_is_found(tamper: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    tamper()

    assert audit().drift > 0
    with pytest.raises(CommandError):
        call_command("audit_ledger")
    assert len(capsys.readouterr().out.splitlines()) >= 2
