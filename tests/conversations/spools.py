"""What is in a spool."""

import time
from collections.abc import Callable
from pathlib import Path

from apps.conversations.spool.files import SpooledRecord, SpooledTurn, connect

SECONDS = 10.0


def record(call: str, text: str = "Hello", **overrides: object) -> SpooledRecord:
    return SpooledRecord(call=call, turns=(SpooledTurn(0, 0, "user", text),), **overrides)  # type: ignore[arg-type]


def calls_in(path: Path) -> list[str]:
    """The calls of the committed records, in order."""
    file = connect(path)
    try:
        return [row[0] for row in file.execute("SELECT call FROM records ORDER BY id")]
    finally:
        file.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.005)
