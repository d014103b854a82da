"""Watching over live answers goes on, whatever happens to one of them."""

import asyncio
from typing import Any

import pytest

from apps.chat.relay import live
from apps.chat.relay.live import LiveAnswers
from apps.common.commit import StoreAway
from apps.quotas.ledger.leases import Checkpoint


class Answer:
    """What it has for a checkpoint, one look after the other, and then nothing more."""

    def __init__(self, *points: Checkpoint | Exception) -> None:
        self._points = list(points)
        self.looked_at_again = asyncio.Event()

    def checkpoint(self) -> Checkpoint | None:
        if not self._points:
            self.looked_at_again.set()
            return None
        if isinstance(point := self._points.pop(0), Exception):
            raise point
        return point

    def keep_alive(self, now: float) -> None:
        pass

    def check_stall(self, now: float, *, limit: float) -> None:
        pass


class Store:
    """Stands in for the writer's thread. It can be away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.is_away = is_away
        self.written: list[list[Checkpoint]] = []

    async def submit(self, work: Any, points: list[Checkpoint]) -> None:
        if self.is_away:
            raise StoreAway
        self.written.append(points)


async def watched(answer: Answer, store: Store) -> None:
    """Watch until there is nothing more to be seen of the answer."""
    answers = LiveAnswers()
    answers.add(answer)  # type: ignore[arg-type]
    watching = asyncio.create_task(answers.watch_for_ever(store))  # type: ignore[arg-type]
    await asyncio.wait_for(answer.looked_at_again.wait(), 10)
    watching.cancel()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "WATCH_SECONDS", 0.001)


async def test_a_failure_is_logged_and_the_next_look_comes(caplog: pytest.LogCaptureFixture) -> None:
    await watched(Answer(RuntimeError("oh no")), Store())

    assert "Watching over open answers failed" in caplog.text
    assert "oh no" in caplog.text


async def test_checkpoints_are_written_in_one_batch_a_look() -> None:
    store, point = Store(), Checkpoint("hold", 7)

    await watched(Answer(point), store)

    assert store.written == [[point]]


async def test_a_store_that_is_away_is_no_failure_of_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    await watched(Answer(Checkpoint("hold", 7)), Store(is_away=True))

    assert caplog.text == ""
