"""A course may let a cheaper model answer once a student's own week is used up, within an allowance of its own."""

from collections.abc import Iterator

import pytest

from apps.providers.models import CourseModel, Model
from apps.quotas.ledger.audit import audit
from apps.quotas.models import QuotaPolicy, WeeklyUsage
from tests import factories
from tests.chat.world import World, make_world, text_of, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

ALLOWANCE, CHEAP = 1000, 500
SECONDS = 2.0


@pytest.fixture
def cheap_stub() -> Iterator[ProviderStub]:
    """The provider of the fallback model."""
    with ProviderStub() as stub:
        stub.always(usage={"prompt_tokens": 10, "completion_tokens": 40})
        yield stub


@pytest.fixture
def world(committed_db: None, gateway: Gateway, stub: ProviderStub, cheap_stub: ProviderStub) -> Iterator[World]:
    """A student whose week is used up, in a course with a fallback model."""
    with make_world(gateway, stub, policy={"student_weekly_tokens": ALLOWANCE}, used=ALLOWANCE) as world:
        turn_to(world, factories.make_model(factories.make_provider(base_url=cheap_stub.base_url), course=world.course))
        yield world


def turn_to(world: World, model: Model) -> None:
    QuotaPolicy.objects.filter(course=world.course).update(
        after_exhaustion="fallback", fallback_model=model.name, fallback_student_weekly_tokens=CHEAP
    )
    wait_until(
        lambda: (
            world.usage()["fallback"] is not None
            and model.name in [listed["id"] for listed in world.get("/v1/models").json()["data"]]
        ),
        seconds=SECONDS,
        what="The gateway's notice of the fallback model",
    )


def test_the_fallback_model_answers_and_says_so(world: World, stub: ProviderStub, cheap_stub: ProviderStub) -> None:
    response = world.post(world.body(max_tokens=100))

    assert response.status_code == 200
    assert response.headers["x-quota-fallback"] == world.model.name
    assert response.headers["x-gateway-model"] == cheap_stub.last.body["model"]
    assert stub.journal == []


def test_a_stream_falls_back_too(world: World, cheap_stub: ProviderStub) -> None:
    chunks = list(world.stream(max_tokens=100))

    assert text_of(chunks)
    assert len(cheap_stub.journal) == 1


def test_its_own_account_is_charged_and_the_call_keeps_what_was_asked_for(
    world: World, cheap_stub: ProviderStub
) -> None:
    before = world.usage()

    world.post(world.body(max_tokens=100))

    usage, call = world.usage(), world.call()
    assert usage["fallback"] | {"model": ""} == {
        "model": "",
        "limit": CHEAP,
        "used": 50,
        "held": 0,
        "remaining": CHEAP - 50,
    }
    assert (usage["used"], usage["remaining"]) == (before["used"], before["remaining"])
    assert (call.model, call.upstream_model, call.charged) == (world.model.name, cheap_stub.last.body["model"], 50)
    assert WeeklyUsage.objects.get(kind="fallback", account=world.student.pk).used == 50
    assert [drift for drift in audit().drifts if call.pk in drift.what] == []


def test_whoever_asks_for_the_fallback_model_itself_gets_it(world: World, cheap_stub: ProviderStub) -> None:
    name = QuotaPolicy.objects.get(course=world.course).fallback_model

    response = world.post({**world.body(max_tokens=100), "model": name})

    assert (response.status_code, response.headers["x-quota-fallback"]) == (200, name)
    assert world.usage()["fallback"]["used"] == 50


def test_when_that_is_used_up_too_the_refusal_says_so(world: World, cheap_stub: ProviderStub) -> None:
    name = QuotaPolicy.objects.get(course=world.course).fallback_model
    cheap_stub.always(usage={"prompt_tokens": 10, "completion_tokens": CHEAP})
    world.post(world.body(max_tokens=CHEAP))

    error = world.post().json()["error"]

    assert (error["code"], error["account"], error["remaining"]) == ("insufficient_quota", "student", 0)
    assert error["fallback"] == {
        "model": name,
        "account": "fallback",
        "needed": error["fallback"]["needed"],
        "short_by": error["fallback"]["needed"],
        "limit": CHEAP,
        "remaining": 0,
    }
    assert f"The fallback model '{name}' cannot answer either: its own allowance has 0 of 500" in error["message"]
    assert [call.status for call in world.calls()] == ["answered", "out_of_quota"]


def test_with_something_left_the_model_asked_for_answers(
    committed_db: None, gateway: Gateway, stub: ProviderStub, cheap_stub: ProviderStub
) -> None:
    with make_world(gateway, stub) as world:
        cheap = factories.make_model(factories.make_provider(base_url=cheap_stub.base_url), course=world.course)
        turn_to(world, cheap)

        response = world.post()

        assert response.status_code == 200
        assert "x-quota-fallback" not in response.headers
        assert cheap_stub.journal == []


def test_a_fallback_model_that_the_course_does_not_allow_is_no_way_round(
    world: World, cheap_stub: ProviderStub
) -> None:
    CourseModel.objects.filter(course=world.course).exclude(model=world.model).delete()

    wait_until(lambda: world.post().status_code == 429, seconds=SECONDS, what="A refusal")


def test_an_exhausted_course_is_exhausted_for_the_fallback_model_too(
    committed_db: None, gateway: Gateway, stub: ProviderStub, cheap_stub: ProviderStub
) -> None:
    policy = {"student_weekly_tokens": ALLOWANCE, "weekly_tokens": 10}
    with make_world(gateway, stub, policy=policy, used=ALLOWANCE) as world:
        cheap = factories.make_model(factories.make_provider(base_url=cheap_stub.base_url), course=world.course)
        turn_to(world, cheap)

        error = world.post().json()["error"]

        assert error["account"] == "student"
        assert error["fallback"]["account"] == "course"
        assert "limit" not in error["fallback"]
        assert "your course's weekly allowance is short by" in error["message"]
        assert cheap_stub.journal == []
