"""Who may not call any more gets no more: open answers end within seconds, and what was generated is charged."""

import json
import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests import factories
from tests.chat.test_live_changes import close_the_course, deactivate_the_person, remove_the_member, revoke_the_key
from tests.chat.world import World, wait_until
from tests.provider_stub import ProviderStub

SECONDS = 5.0
LONG = " ".join(f"word{number}" for number in range(40))
CHANGES = [revoke_the_key, remove_the_member, deactivate_the_person, close_the_course]


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_an_open_stream_ends_with_an_error(world: World, stub: ProviderStub, change: Callable[[World], None]) -> None:
    stub.will(text=LONG, pause_after=20)
    read = iter(world.stream())
    for _ in range(21):
        next(read)

    change(world)

    with pytest.raises(openai.APIError) as caught:
        list(read)
    assert stub.last.over.wait(SECONDS)
    assert stub.last.left
    error: Any = caught.value.body
    assert (error["code"], error["fixed_by"]) == ("access_ended", "instructor")
    call = world.call()
    assert (call.status, call.error_code) == ("failed", "access_ended")
    week = world.settled()
    assert week.used == call.charged == error["charged"] > 0


def test_a_plain_answer_ends_as_well(world: World, stub: ProviderStub) -> None:
    stub.will(text=LONG, delay=20.0)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(world.post()))
    asking.start()
    wait_until(lambda: stub.journal, what="The request to the provider")

    revoke_the_key(world)
    asking.join(SECONDS)

    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (403, "access_ended")


def test_nobody_else_is_ended(world: World, stub: ProviderStub) -> None:
    """Not even another key of the same student."""
    stub.will(text=LONG, pause_after=20, times=2)
    other = factories.make_key(world.student)
    stream = world.openai(key=other).chat.completions.create(**world.body(stream=True))
    read = iter(stream)
    next(read)
    ended = iter(world.stream())
    next(ended)

    world.student.api_keys.filter(last_four=world.key[-4:]).revoke(now=world.student.created_at)

    with pytest.raises(openai.APIError):
        list(ended)
    stub.go_on()
    assert json.dumps([chunk.model_dump() for chunk in read]).count("word") > 20
