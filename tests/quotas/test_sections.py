"""A week's entries are found section by section, whatever else the ledger holds."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.common.cursor import cursor_on
from apps.quotas import statements
from apps.quotas.ledger import ledger
from apps.quotas.ledger.movements import Account, Movement, Reserve
from apps.quotas.models import LedgerEntry, WeeklyUsage
from apps.quotas.models.sections import SECTION
from apps.quotas.weeks import week_at

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
WEEK = week_at(NOW, timezone="UTC", first_day=0)
ADA, BORIS = Account("student", 1, None, WEEK), Account("student", 2, None, WEEK)


def reserve(hold: str, account: Account) -> Reserve:
    return Reserve(
        hold=hold, owner="owner", accounts=(account,), amount=1, least=1, floor=0, identity="{}",
        now=NOW, expires_at=NOW + timedelta(minutes=5),
    )  # fmt: skip


def move(*movements: Movement) -> None:
    connection.ensure_connection()
    ledger.apply(cursor_on(connection), movements)


def week_of(account: Account) -> WeeklyUsage:
    return WeeklyUsage.objects.get(kind=account.kind, account=account.id)


def skip_to(id: int) -> None:
    """Have the next entry follow this id, as if others had written the entries between."""
    filler = LedgerEntry.objects.create(
        pk=id, usage_id=week_of(BORIS).pk, hold="filler", kind="hold", held_delta=0, used_delta=0, at=NOW
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('quotas_ledgerentry', 'id'), %s)", [filler.pk])


@pytest.fixture
def spread() -> None:
    """Entries of one student at the edges of sections, and in one far away, among those of another."""
    move(reserve("boris", BORIS))
    start = (LedgerEntry.objects.latest("pk").pk // SECTION + 2) * SECTION
    for number, id in enumerate((start - 3, start - 1, start + SECTION - 2, start + SECTION, start + 9 * SECTION)):
        skip_to(id)
        move(reserve(f"ada-{number}", ADA))


@pytest.mark.usefixtures("spread")
def test_a_week_has_all_of_its_entries_and_no_others() -> None:
    entries = LedgerEntry.objects.of(week_of(ADA)).order_by("pk")
    assert [entry.hold for entry in entries] == [f"ada-{number}" for number in range(5)]
    assert LedgerEntry.objects.of(week_of(BORIS)).count() == 6


@pytest.mark.usefixtures("spread")
def test_a_statement_has_the_lines_of_all_sections() -> None:
    connection.ensure_connection()
    (statement,) = statements.read(cursor_on(connection), [(ADA,)])
    assert [line.call for line in statement.lines] == [f"ada-{number}" for number in range(4, -1, -1)]


@pytest.mark.usefixtures("spread")
def test_a_week_is_opened_after_all_that_was_written_before() -> None:
    before = LedgerEntry.objects.latest("pk").pk
    late = Account("course", 7, None, WEEK)
    move(reserve("late", late))
    assert week_of(late).opened_after == before
    assert [entry.hold for entry in LedgerEntry.objects.of(week_of(late))] == ["late"]


def test_a_week_in_which_nothing_moved_has_no_entries() -> None:
    week = WeeklyUsage.objects.create(kind="student", account=9, starts_at=WEEK.starts_at, ends_at=WEEK.ends_at)
    assert not LedgerEntry.objects.of(week).exists()
    (statement,) = statements.read(cursor_on(connection), [(Account("student", 9, None, WEEK),)])
    assert statement.lines == ()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads small tables whole")
@pytest.mark.usefixtures("spread")
def test_the_index_finds_them() -> None:
    assert "entries_by_section_and_week" in LedgerEntry.objects.of(week_of(ADA)).explain()
