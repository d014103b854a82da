"""Watching over live answers goes on, whatever happens to one of them."""

import asyncio
from typing import Any

import pytest

from apps.chat.relay import live
from apps.chat.relay.live import LiveAnswers


class Answer:
    """Fails the first time that it is looked at."""

    def __init__(self) -> None:
        self.has_failed = False
        self.looked_at_again = asyncio.Event()

    def checkpoint(self) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise RuntimeError("oh no")
        self.looked_at_again.set()

    def keep_alive(self, now: float) -> None:
        pass

    def check_stall(self, now: float, *, limit: float) -> None:
        pass


async def test_a_failure_is_logged_and_the_next_look_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "WATCH_SECONDS", 0.001)
    answers, answer = LiveAnswers(), Answer()
    answers.add(answer)  # type: ignore[arg-type]
    writer: Any = None  # there is nothing to write

    watching = asyncio.create_task(answers.watch_for_ever(writer))
    await asyncio.wait_for(answer.looked_at_again.wait(), 10)
    watching.cancel()

    assert "Watching over open answers failed" in caplog.text
    assert "oh no" in caplog.text
