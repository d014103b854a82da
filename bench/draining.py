"""`python -m bench.draining`: how many records of a spool reach the database, and are found by their words, in a second
of CPU.

A record has the text of a plain call of `make bench`. CPU is that of this process: on a shared machine, the clock says
little. On SQLite, the time for which the database is locked counts as well, because students' calls wait meanwhile.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

PROMPT = "How does a binary search tree stay in balance? " * 8
ANSWER = "What have you tried so far? Look at the heights of both subtrees after a rotation. " * 2


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--records", type=int, default=4_000, help="in each turn")
    options.add_argument("--turns", type=int, default=5)
    options.add_argument("--postgresql", action="store_true", help="start one that writes to the disk")
    chosen = options.parse_args()
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="stoa-bench-"))
        os.environ["GATEWAY_DATA_DIR"] = directory
        if chosen.postgresql:
            from tests.servers import PostgreSQL

            os.environ["DATABASE_URL"] = stack.enter_context(PostgreSQL(fsync="on")).url()
        _open_database()
        member = _student()
        for _ in range(chosen.turns):
            _spool(Path(directory) / "bench.sqlite3", member, chosen.records)
            print(_figures(Path(directory) / "bench.sqlite3"), flush=True)
        _close_database()


def _open_database() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _close_database() -> None:
    from django.db import connections

    connections.close_all()


def _student() -> Any:
    from apps.accounts.models import Course, Membership, User

    course = Course.objects.create(slug="bench", title="Bench", timezone="UTC")
    return Membership.objects.create(course=course, user=User.objects.create(username="ada"), external_id="ada")


def _spool(path: Path, member: Any, records: int) -> None:
    from apps.common.ids import new_id
    from apps.conversations.models import Call
    from apps.conversations.spool import files
    from apps.conversations.spool.files import SpooledRecord, SpooledTurn

    ids, now = [new_id() for _ in range(records)], datetime.now(UTC)
    Call.objects.bulk_create(
        Call(id=id, course_id=member.course_id, membership=member, model="mock", status="answered", started_at=now)
        for id in ids
    )
    with ExitStack() as stack:
        file = files.connect(path)
        stack.callback(file.close)
        stack.enter_context(files.transaction(file))
        for number, id in enumerate(ids):
            turns = (
                SpooledTurn(0, 0, "system", "You are a tutor."),
                SpooledTurn(1, 1, "user", f"{PROMPT}{number}"),
                SpooledTurn(2, None, "assistant", ANSWER),
            )
            body = SpooledRecord(call=id, turns=turns, final=True, head=f"{number}", tail=id).body()
            file.execute("INSERT INTO records (call, body, at) VALUES (?, ?, ?)", (id, body, time.time()))


def _figures(path: Path) -> str:
    from apps.conversations.spool.draining import drain

    with _watched() as held:
        cpu, clock = time.process_time(), time.perf_counter()
        drained = drain(path)
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    speed = f"{drained / cpu:6,.0f} records/s of CPU, {drained / clock:6,.0f} by the clock"
    if not held:
        return speed
    held.sort()
    p50, p99 = (held[int(len(held) * share)] * 1e3 for share in (0.5, 0.99))
    return f"{speed}; locked {len(held)} times, p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {held[-1] * 1e3:.1f} ms"


@contextmanager
def _watched() -> Iterator[list[float]]:
    """For how long each piece of work at first priority takes: those that lock a SQLite."""
    from apps.conversations.spool import draining

    held: list[float] = []
    original = draining.at_first_priority

    def watched(work: Callable[[], None]) -> None:
        started = time.perf_counter()
        original(work)
        held.append(time.perf_counter() - started)

    draining.at_first_priority = watched
    try:
        yield held
    finally:
        draining.at_first_priority = original


if __name__ == "__main__":
    main()
