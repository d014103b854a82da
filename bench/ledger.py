"""Pairs of reserve and settle a second through the group-commit writer alone: `python -m bench.ledger`.

Uses the database of the environment: SQLite in a temporary data directory, or an empty PostgreSQL in DATABASE_URL.
Every waiter is a student of one course, so that all of them draw on the same course and institution.
"""

import asyncio
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as directory:
        os.environ.setdefault("GATEWAY_DATA_DIR", directory)
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        for waiters in (1, 32, 64):
            pairs, seconds, batch = asyncio.run(measure(waiters, seconds=float(sys.argv[1] if sys.argv[1:] else 3)))
            each = seconds / pairs * waiters * 1000
            print(
                f"{waiters:3} waiters: {pairs / seconds:8,.0f} pairs/s, {each:6.2f} ms each, {batch:5.1f} units a batch"
            )


async def measure(waiters: int, *, seconds: float) -> tuple[int, float, float]:
    from apps.common.commit import Writer
    from apps.common.ids import new_id
    from apps.quotas import ledger
    from apps.quotas.movements import Account, Reserve, Settle
    from apps.quotas.weeks import week_at

    now = datetime.now(UTC)
    week = week_at(now, timezone="Europe/Helsinki", first_day=0)
    shared = (Account("course", 1, 10**15, week), Account("institution", 1, 10**15, week))
    writer = Writer(name="bench")
    writer.start()
    pairs = 0
    started = time.perf_counter()

    async def student(number: int) -> None:
        nonlocal pairs
        accounts = (Account("student", number, 10**15, week), *shared)
        while time.perf_counter() - started < seconds:
            hold = new_id()
            reserve = Reserve(
                hold=hold, owner="bench", accounts=accounts, amount=100, least=100, floor=10, identity="{}",
                now=now, expires_at=now + timedelta(minutes=10),
            )  # fmt: skip
            await writer.submit(ledger.apply, reserve)
            await writer.submit(ledger.apply, Settle(hold=hold, charge=50, now=now))
            pairs += 1

    await asyncio.gather(*map(student, range(waiters)))
    took = time.perf_counter() - started
    await asyncio.to_thread(writer.stop)
    return pairs, took, writer.units / writer.batches


if __name__ == "__main__":
    main()
