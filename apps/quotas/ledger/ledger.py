"""The ledger: every token held or charged, decided in one place and written by one function.

A hold draws the same amount on an ordered list of accounts, all or none. `apply` is a function for the group-commit
writer (`apps.common.commit`): it folds a batch of movements into one read of the holds and weeks concerned, a pure
decision for each movement in the order of arrival, and one write for each table. A refused reservation changes nothing
and does not disturb its neighbours.

Holds end as HELD -> SETTLED | RELEASED | EXPIRED, and EXPIRED -> ADJUSTED once, when an owner that had been taken for
dead reports the true amount after all. Any other movement answers with what is stored and changes nothing.
What staff do to a week (grants, corrections, and what explains a change of its limit) are entries as well, with who and
why.
"""

from collections.abc import Sequence

from apps.common.cursor import Cursor
from apps.quotas.ledger import rows
from apps.quotas.ledger.decide import decide
from apps.quotas.ledger.movements import Account, Balance, Booked, Movement, Outcome, StaffMovement


def apply(cursor: Cursor, movements: Sequence[Movement]) -> list[Outcome]:
    """Fold the movements into the transaction of the cursor and answer each, in order."""
    fold = rows.load(cursor, movements)
    outcomes = [decide(fold, movement) for movement in movements]
    rows.store(cursor, fold)
    return outcomes


def record(cursor: Cursor, movements: Sequence[StaffMovement]) -> list[Booked]:
    """Book grants, corrections and notes by staff inside a Django transaction, from a thread; answered in order.

        with transaction.atomic():
            ...  # the rows that say what was decided
            ledger.record(cursor_on(connection), [Grant(id=f"grant-{uuid4().hex}", account=..., ...)])

    It locks the weeks until the transaction ends, and calls wait for them: do it last, and all of it in one call, so
    that weeks are locked in the order in which everybody locks them. Undone if the transaction is rolled back. Booking
    the same id again on the same week changes nothing.
    """
    with cursor.wrap_errors:
        return [outcome for outcome in apply(cursor, movements) if isinstance(outcome, Booked)]


def balances(cursor: Cursor, units: Sequence[tuple[Account, ...]]) -> list[tuple[Balance, ...]]:
    """A function for the writer: how accounts stand. An account that nobody has drawn on this week has used nothing."""
    return [tuple(_balance(cursor, account) for account in accounts) for accounts in units]


def _balance(cursor: Cursor, account: Account) -> Balance:
    cursor.execute(
        "SELECT used, held, granted FROM quotas_weeklyusage WHERE kind = %s AND account = %s AND starts_at = %s",
        (account.kind, account.id, cursor.instant(account.week.starts_at)),
    )
    return Balance(account, *(cursor.fetchone() or (0, 0, 0)))
