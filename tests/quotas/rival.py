"""A process that reserves as much as it can at once, through a writer of its own: what test_rivals starts.

It runs as `manage.py shell -c 'from tests.quotas.rival import main; main(...)'`, so on the database of its environment.
"""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

from apps.common.commit import Writer
from apps.common.ids import new_id
from apps.quotas.ledger import ledger
from apps.quotas.ledger.movements import Account, Held, Reserve, Settle
from apps.quotas.weeks import week_at

AMOUNT = 7
PATIENCE = 50.0


async def rush(writer: Writer, *, course: int, limit: int, student: int, calls: int, now: datetime) -> list[str]:
    """Reserve for so many calls in the same instant; the holds of those that were admitted."""
    week = week_at(now, timezone="UTC", first_day=0)
    accounts = (Account("student", student, 10**9, week), Account("course", course, limit, week))
    reserves = [
        Reserve(
            hold=new_id(), owner="rival", accounts=accounts, amount=AMOUNT, least=AMOUNT, floor=1, identity="{}",
            now=now, expires_at=now + timedelta(minutes=10),
        )
        for _ in range(calls)
    ]  # fmt: skip
    outcomes = await asyncio.gather(*(writer.submit(ledger.apply, reserve) for reserve in reserves))
    return [r.hold for r, outcome in zip(reserves, outcomes, strict=True) if isinstance(outcome, Held)]


async def settle(writer: Writer, holds: list[str], *, now: datetime) -> None:
    await asyncio.gather(*(writer.submit(ledger.apply, Settle(hold=hold, charge=1, now=now)) for hold in holds))


def main(*, number: int, course: int, limit: int, calls: int, meeting: str) -> None:
    """Wait for the others, rush, and say how many were admitted. In waves, so that processes mix."""
    writer = Writer(name=f"rival {number}")
    writer.start()
    now = datetime.fromisoformat("2026-11-18T12:00:00+00:00")
    writer.call(ledger.balances, ())
    (Path(meeting) / f"ready-{number}").touch()
    _wait_for(Path(meeting) / "go")

    async def run() -> int:
        admitted = 0
        for _ in range(5):
            args = {"course": course, "limit": limit, "student": number}
            admitted += len(await rush(writer, **args, calls=calls // 5, now=now))
        return admitted

    print(asyncio.run(run()))
    writer.stop()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
