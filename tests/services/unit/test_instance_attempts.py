"""The fault matrix: fault of an instance x method, with what the caller gets and whom that takes."""

import pytest

from apps.common.breaker import Window
from apps.common.errors import GatewayError
from apps.services.registry import BreakerPolicy, Retries
from tests.services.unit.upstream import (
    Body,
    Doing,
    Scene,
    drop,
    drop_early,
    full,
    good,
    hang,
    outcome,
    refuse,
    says,
    scene,
)
from tests.services.unit.values import endpoint, entry

FAULTS: dict[str, Doing] = {
    "refuse": refuse,
    "hang": hang,
    "drop": drop,
    "reset in the body": drop_early,
    "503": says(503),
    "500": says(500),
    "429": says(429),
}
SAFE, KEYED, UNSAFE = ("GET", {}), ("POST", {"idempotency_key": "k"}), ("POST", {})
CALLERS: dict[str, tuple[str, dict[str, str]]] = {
    "safe": SAFE,
    "put": ("PUT", {}),
    "delete": ("DELETE", {}),
    "keyed": KEYED,
    "unsafe": UNSAFE,
    "patch": ("PATCH", {}),
}
REPEATED = {"safe", "put", "delete", "keyed"}
# Of one faulty and one good instance, the faulty one is asked first: what a request that may be repeated gets, and one
# that may not.
WITH_ANOTHER: dict[str, tuple[int | str, int | str]] = {
    "refuse": (200, 200),  # nothing was sent
    "hang": (200, "service_timeout"),
    "drop": (200, "service_broken"),
    "reset in the body": (200, "service_broken"),
    "503": (200, 503),
    "500": (500, 500),  # not among those that are repeated, unless the operator says so
    "429": (429, 429),
}
ALONE: dict[str, tuple[int | str, int]] = {  # what is answered, and after how many attempts if it may be repeated
    "refuse": ("service_unreachable", 3),
    "hang": ("service_timeout", 3),
    "drop": ("service_broken", 3),
    "reset in the body": ("service_broken", 3),
    "503": (503, 3),
    "500": (500, 1),
    "429": (429, 1),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_with_another_instance(fault: str, caller: str) -> None:
    method, headers = CALLERS[caller]
    scenery = scene(FAULTS[fault], good)

    answer = outcome(await scenery.ask(method, Body(b"body"), **headers))

    repeated, not_repeated = WITH_ANOTHER[fault]
    assert answer == (repeated if caller in REPEATED else not_repeated)
    assert scenery.asked == ([1, 2] if answer == 200 else [1])
    assert scenery.in_flight() == 0


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_alone(fault: str, caller: str) -> None:
    method, headers = CALLERS[caller]
    scenery = scene(FAULTS[fault])

    answer = outcome(await scenery.ask(method, Body(b"body"), **headers))

    expected, attempts = ALONE[fault]
    assert answer == expected
    assert len(scenery.asked) == (attempts if caller in REPEATED or fault == "refuse" else 1)
    assert scenery.in_flight() == 0


@pytest.mark.parametrize(
    ("fault", "requests", "is_open"),
    [
        ("refuse", 3, True),
        ("hang", 3, True),
        ("drop", 3, True),
        ("503", 3, False),
        ("503", 4, True),  # by its share, of at least so many
        ("500", 20, False),
        ("429", 20, False),
    ],
)
async def test_the_breaker(fault: str, requests: int, is_open: bool) -> None:
    scenery = scene([*[FAULTS[fault]] * requests, good], retries=Retries(most=0))

    for _ in range(requests):
        await scenery.ask()

    assert scenery.is_open(1) == is_open


async def test_the_last_failure_of_an_instance_is_the_answer() -> None:
    assert outcome(await scene(says(503), says(502), retries=Retries(most=1)).ask()) == 502
    assert outcome(await scene(says(503), drop, drop).ask()) == "service_broken"


async def test_one_that_flaps_fails_no_request_that_may_be_repeated() -> None:
    scenery = scene([good, drop] * 20, good)

    answers = [outcome(await scenery.ask()) for _ in range(10)]

    assert set(answers) == {200}


async def test_nobody_is_asked_more_often_than_the_operator_says() -> None:
    scenery = scene(refuse, refuse, refuse, refuse, retries=Retries(most=1))

    await scenery.ask()

    assert scenery.asked == [1, 2]


async def test_repetitions_have_a_budget() -> None:
    scenery = scene(says(503), retries=Retries(most=2), breaker=BreakerPolicy(window=Window(at_least=1000)))

    for _ in range(30):
        await scenery.ask()

    assert len(scenery.asked) <= 30 + 10  # a fifth of all, or 3


async def test_connections_that_were_not_made_take_nothing_of_it() -> None:
    scenery = scene(refuse, good, breaker=BreakerPolicy(misses=1000, window=Window(at_least=1000)))

    answers = {outcome(await scenery.ask()) for _ in range(30)}

    assert answers == {200}


async def test_an_operator_may_have_others_repeated() -> None:
    statuses = frozenset({500})

    assert outcome(await scene(says(500), good, retries=Retries(statuses=statuses)).ask()) == 200


async def test_one_that_wants_to_be_left_alone_for_long_is_not_asked_again() -> None:
    scenery = scene(says(503, retry_after="60"))

    assert outcome(await scenery.ask()) == 503
    assert scenery.asked == [1]


async def test_one_that_is_asked_too_much_is_avoided_for_a_while() -> None:
    scenery = scene([says(429, retry_after="5"), good], good)

    answers = [outcome(await scenery.ask()) for _ in range(5)]

    assert (answers, scenery.asked) == ([429, 200, 200, 200, 200], [1, 2, 2, 2, 2])
    assert not scenery.is_open(1)


async def test_without_instances_that_is_said() -> None:
    answer = await scene().ask()

    assert isinstance(answer, GatewayError)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "no_instance", "10")
    assert "has no instances" in answer.message


async def test_if_all_are_drained_that_is_said() -> None:
    answer = await Scene(entry(endpoint(1, is_draining=True)), {1: [good]}).ask()

    assert isinstance(answer, GatewayError)
    assert (answer.status, answer.code) == (503, "no_instance")
    assert "in use at the moment" in answer.message


async def test_too_few_connections_of_our_own_are_no_fault_of_an_instance() -> None:
    scenery = scene(full)

    for _ in range(10):
        answer = await scenery.ask()

    assert isinstance(answer, GatewayError)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "service_busy", "1")
    assert not scenery.is_open(1)
