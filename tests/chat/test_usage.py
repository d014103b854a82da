"""What is left of the week."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub


def test_it_tells_the_week_and_the_limit_of_the_course(
    committed_db: None, gateway: Gateway, stub: ProviderStub
) -> None:
    course = {"timezone": "Asia/Kathmandu", "week_starts": "sunday", "allowance": 5000}
    with make_world(gateway, stub, course=course) as world:
        usage = world.usage()

        starts_at, ends_at = (datetime.fromisoformat(usage["week"][name]) for name in ("starts_at", "ends_at"))
        assert usage["course"] == world.course.slug
        assert usage["week"]["timezone"] == "Asia/Kathmandu"
        assert starts_at <= datetime.now(UTC) < ends_at
        assert ends_at - starts_at == timedelta(days=7)
        assert (starts_at.hour, starts_at.minute, starts_at.weekday()) == (18, 15, 5)
        assert (usage["limit"], usage["used"], usage["held"], usage["remaining"]) == (5000, 0, 0, 5000)


def test_the_amounts_are_integers(world: World) -> None:
    world.ask()

    usage = world.usage()

    assert {type(usage[name]) for name in ("limit", "used", "held", "remaining")} == {int}


def test_a_refusal_changes_nothing(world: World) -> None:
    before = world.usage()

    world.post({"model": "nope"})
    world.post(content=b"{")

    assert world.usage() == before


def test_asking_needs_a_key(world: World) -> None:
    assert world.get("/v1/usage", key="none").status_code == 401


@pytest.mark.parametrize("tight", [300, 10_000_000])
def test_the_smaller_of_own_and_course_allowance_remains(
    committed_db: None, gateway: Gateway, stub: ProviderStub, tight: int
) -> None:
    with make_world(gateway, stub, policy={"student_weekly_tokens": 1000, "weekly_tokens": tight}) as world:
        assert world.usage()["remaining"] == min(1000, tight)
