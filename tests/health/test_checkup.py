"""How checks are run, and what their results make together."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from gateway_project.health.checkup import Checkup, ComponentCheck
from gateway_project.health.states import (
    ComponentReport,
    Condition,
    Diagnosis,
    degraded,
    down,
    healthy,
    reported,
    rolled_up,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HEALTHY, DEGRADED, DOWN = healthy("Well."), degraded("Slow."), down("Away.")


def report(
    found: Diagnosis, before: ComponentReport | None = None, *, essential: bool = False, minute: int = 0
) -> ComponentReport:
    now = NOW + timedelta(minutes=minute)
    return reported("database", found, before, is_essential=essential, seconds=0.01, now=now)


@pytest.mark.parametrize(
    ("conditions", "overall"),
    [
        ([(HEALTHY, True), (HEALTHY, False)], Condition.HEALTHY),
        ([(HEALTHY, True), (DOWN, False)], Condition.DEGRADED),
        ([(DEGRADED, True), (HEALTHY, False)], Condition.DEGRADED),
        ([(DOWN, True), (HEALTHY, False)], Condition.DOWN),
    ],
)
def test_the_whole_is_down_only_if_something_essential_is(
    conditions: list[tuple[Diagnosis, bool]], overall: Condition
) -> None:
    assert rolled_up([report(found, essential=essential) for found, essential in conditions]) == overall


def test_a_report_says_since_when_and_remembers_the_last_error() -> None:
    first = report(DOWN)
    still = report(DOWN, first, minute=5)
    back = report(HEALTHY, still, minute=6)

    assert still.since == NOW
    assert (back.since, back.last_error) == (NOW + timedelta(minutes=6), "Away.")
    assert back.last_error_at == NOW + timedelta(minutes=5)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def checkup_of(look: Callable[[], Diagnosis], *, limit: float = 60.0) -> Checkup:
    return Checkup([ComponentCheck(name="database", look=look, limit=limit)])


def test_callers_share_one_check(gate: threading.Event) -> None:
    looks: list[None] = []

    def look() -> Diagnosis:
        looks.append(None)
        gate.wait()
        return HEALTHY

    checkup = checkup_of(look)
    callers = [threading.Thread(target=checkup.look) for _ in range(20)]
    for caller in callers:
        caller.start()
    gate.set()
    for caller in callers:
        caller.join()

    assert len(looks) == 1


def test_connections_that_cannot_be_closed_end_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("It is gone.")

    monkeypatch.setattr(connections, "close_all", fail)

    [found] = checkup_of(lambda: HEALTHY, limit=5.0).look()

    assert found.condition == Condition.HEALTHY


def test_a_machine_without_room_for_a_thread_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    checkup = checkup_of(lambda: HEALTHY, limit=5.0)
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            checkup.look()

    [found] = checkup.look()
    assert found.condition == Condition.HEALTHY


def test_a_check_that_hangs_is_down_and_gets_no_second_thread(gate: threading.Event) -> None:
    looks: list[None] = []

    def look() -> Diagnosis:
        looks.append(None)
        gate.wait()
        return HEALTHY

    checkup = checkup_of(look, limit=0.01)
    [first], [second] = checkup.look(), checkup.look()

    assert (first.condition, second.condition) == (Condition.DOWN, Condition.DOWN)
    assert "did not answer within 0.01 seconds" in second.sentence
    assert len(looks) == 1


def test_a_check_is_repeated_once_before_it_counts() -> None:
    answers: Iterator[Exception | Diagnosis] = iter([OSError("hiccup"), HEALTHY])

    def look() -> Diagnosis:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    [found] = checkup_of(look).look()

    assert found.condition == Condition.HEALTHY


def test_an_error_becomes_a_sentence_of_one_line() -> None:
    def look() -> Diagnosis:
        raise OSError("connection refused\nIs the server running?")

    [found] = checkup_of(look).look()

    assert (found.condition, found.sentence) == (Condition.DOWN, "OSError: connection refused")
