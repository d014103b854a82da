"""kill -9 in the middle of a stream."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from apps.conversations.models import Call, Turn
from apps.conversations.spool import files
from apps.quotas.ledger.audit import audit
from apps.quotas.models import Hold, WeeklyUsage
from tests.chat.processes import wait_until_both_know
from tests.chat.world import PROMPT, World, make_world, wait_until
from tests.live import PATIENCE, Gateway, models_on, own_data_dir, start_gateway
from tests.provider_stub import ProviderStub

LONG = " ".join(f"word{number}" for number in range(60))


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was there after a kill -9, and after the next start, whose supervisor alone was killed in the end."""

    before: Hold
    after: Hold
    week: WeeklyUsage
    call: Call
    seconds: float
    drifts: tuple[int, int]
    orphans: list[int]
    said: list[tuple[str, str]]


@pytest.fixture(scope="module")
def aftermath(
    django_db_setup: None, django_db_blocker: Any, pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> Aftermath:
    """A gateway is killed while an answer streams, part of which had been written down, and started again."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        data_dir = stack.enter_context(own_data_dir(pristine, tmp_path_factory.mktemp("crash")))
        stub = stack.enter_context(ProviderStub())
        stub.will(text=LONG, pause_after=30)
        with start_gateway(data_dir) as gateway, make_world(gateway, stub) as world:
            chunks = iter(world.stream())
            for _ in range(30):
                next(chunks)
            wait_until(lambda: Hold.objects.get().checkpoint > 0, what="A checkpoint")
            wait_until(lambda: any(map(files.oldest, (data_dir / "spool").glob("*.sqlite3"))), what="Spooled text")
            gateway.kill()
        before, drift = Hold.objects.get(), audit().drift
        with start_gateway(data_dir) as gateway:
            started = time.monotonic()
            week = world.settled()
            seconds = time.monotonic() - started
            said = wait_until(lambda: list(Turn.objects.order_by("seq").values_list("role", "text")))
            orphans = orphaned(gateway)
        drifts = drift, audit().drift
        return Aftermath(before, Hold.objects.get(), week, world.call(), seconds, drifts, orphans, said)


def orphaned(gateway: Gateway) -> list[int]:
    """The processes that are left for long after their supervisor was killed."""
    children = gateway.children()
    gateway.process.kill()
    gateway.process.wait()
    deadline = time.monotonic() + PATIENCE
    while (left := gateway.running(children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def test_the_hold_is_resolved_within_seconds_of_the_next_start(aftermath: Aftermath) -> None:
    assert aftermath.before.state == Hold.State.HELD
    assert aftermath.after.state == Hold.State.EXPIRED
    assert aftermath.seconds < 5


def test_what_had_been_written_down_is_charged(aftermath: Aftermath) -> None:
    hold = aftermath.after

    assert hold.charged == max(hold.floor, hold.checkpoint) > 30
    assert (aftermath.week.used, aftermath.week.held) == (hold.charged, 0)


def test_the_call_is_in_the_list_as_interrupted(aftermath: Aftermath) -> None:
    call = aftermath.call

    assert (call.id, call.charged) == (aftermath.after.pk, aftermath.after.charged)
    assert (call.status, call.is_estimated, call.is_stream) == ("interrupted", True, True)


def test_the_ledger_adds_up_before_and_after(aftermath: Aftermath) -> None:
    assert aftermath.drifts == (0, 0)


def test_what_had_been_said_by_then_can_be_read(aftermath: Aftermath) -> None:
    (role, prompt), *answer = aftermath.said

    assert (role, prompt) == ("user", PROMPT)
    assert {role for role, _ in answer} == {"assistant"}
    assert "".join(text for _, text in answer) == " ".join(LONG.split()[:30])


def test_processes_whose_supervisor_dies_end_by_themselves(aftermath: Aftermath) -> None:
    assert aftermath.orphans == []


# One process at a time


@pytest.fixture
def survivor(committed_db: None, two_processes: Gateway) -> Iterator[tuple[World, ProviderStub]]:
    """A world at a gateway of which some processes are killed."""
    with (
        models_on(two_processes.data_dir),
        ProviderStub() as stub,
        make_world(two_processes, stub) as world,
    ):
        wait_until_both_know(world)
        yield world, stub


def test_web_processes_that_die_are_replaced_and_their_holds_resolved(survivor: tuple[World, ProviderStub]) -> None:
    world, stub = survivor
    stub.will(text=LONG, pause_after=30)
    chunks = iter(world.stream())
    next(chunks)

    world.gateway.kill_child("gateway_project.processes.web")

    with pytest.raises(openai.APIConnectionError):
        list(chunks)
    assert world.settled().used > 0
    world.gateway.wait_until_ready()
    assert world.ask().choices[0].message.content


def test_a_celery_process_that_dies_is_replaced_and_no_text_is_lost(survivor: tuple[World, ProviderStub]) -> None:
    world, _ = survivor

    world.gateway.kill_child("gateway_project.processes.worker")
    asked = [world.ask("and this?") for _ in range(5)]

    answers = Turn.objects.filter(role="assistant", call__turns__text="and this?")
    wait_until(lambda: answers.count() == len(asked), what="All of the text")
