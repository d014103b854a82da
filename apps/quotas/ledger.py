"""The ledger: every token held or charged, decided in one place and written by one function.

A hold draws the same amount on an ordered list of accounts, all or none. `apply` is a function for the group-commit
writer (`apps.common.commit`): it folds a batch of movements into one read of the holds and weeks concerned, a pure
decision for each movement in the order of arrival, and one write for each table. A refused reservation changes nothing
and does not disturb its neighbours.

Holds end as HELD -> SETTLED | RELEASED | EXPIRED, and EXPIRED -> ADJUSTED once, when an owner that had been taken for
dead reports the true amount after all. Any other movement answers with what is stored and changes nothing.
"""

from collections.abc import Sequence

from apps.common.cursor import Cursor
from apps.quotas import rows
from apps.quotas.fold import decide
from apps.quotas.movements import Account, Balance, Movement, Outcome


def apply(cursor: Cursor, movements: Sequence[Movement]) -> list[Outcome]:
    """Fold the movements into the transaction of the cursor and answer each, in order."""
    fold = rows.load(cursor, movements)
    outcomes = [decide(fold, movement) for movement in movements]
    rows.store(cursor, fold)
    return outcomes


def balances(cursor: Cursor, units: Sequence[tuple[Account, ...]]) -> list[tuple[Balance, ...]]:
    """A function for the writer: how accounts stand. An account that nobody has drawn on this week has used nothing."""
    return [tuple(_balance(cursor, account) for account in accounts) for accounts in units]


def _balance(cursor: Cursor, account: Account) -> Balance:
    cursor.execute(
        "SELECT used, held FROM quotas_weeklyusage WHERE kind = %s AND account = %s AND starts_at = %s",
        (account.kind, account.id, cursor.instant(account.week.starts_at)),
    )
    used, held = cursor.fetchone() or (0, 0)
    return Balance(account, used, held)
