"""Errors, as the official client raises them."""

import openai
import pytest

from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub


def assert_is_ours(error: openai.APIStatusError, *, code: str) -> None:
    assert error.code == code
    assert error.request_id
    assert isinstance(error.body, dict)
    assert error.body["request_id"] == error.request_id
    assert error.body["fixed_by"] in ("you", "instructor", "operator")
    assert error.body["charged"] == 0
    assert len(error.body["message"]) > 20


def test_a_bad_request(world: World) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        world.ask(max_tokens=-1)

    assert_is_ours(caught.value, code="invalid_value")
    assert caught.value.param == "max_tokens"


def test_a_bad_key(world: World) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        world.openai(key="stoa_sk_wrong").chat.completions.create(**world.body())

    assert_is_ours(caught.value, code="invalid_api_key")
    assert caught.value.response.headers["www-authenticate"] == "Bearer"


def test_a_closed_course(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, course={"is_open": False}) as world:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            world.ask()

        assert_is_ours(caught.value, code="course_closed")
        assert world.usage()["used"] == 0


def test_an_unknown_model(world: World) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        world.openai().chat.completions.create(**{**world.body(), "model": "no-such-model"})

    assert_is_ours(caught.value, code="model_not_found")


def test_a_provider_that_fails(world: World, stub: ProviderStub) -> None:
    stub.always(status=500)

    with pytest.raises(openai.InternalServerError) as caught:
        world.ask()

    assert caught.value.status_code == 502
    assert_is_ours(caught.value, code="upstream_error")


def test_a_course_without_an_allowance(committed_db: None, gateway: Gateway, stub: ProviderStub) -> None:
    with make_world(gateway, stub, course={"allowance": None}) as world:
        with pytest.raises(openai.RateLimitError) as caught:
            world.ask()

        assert_is_ours(caught.value, code="insufficient_quota")
