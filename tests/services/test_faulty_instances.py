"""What callers get when instances fail, through the whole product: what the attempts' own tests cannot see."""

import socket
from typing import Any

import httpx
import pytest

from apps.services.models import InstanceHealth, ServiceRecord
from tests.chat.world import wait_until
from tests.live import Gateway
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld, make_service_world


@pytest.fixture
def two(committed_db: None, gateway: Gateway, pair: tuple[UsersInstance, UsersInstance]) -> Any:
    with make_service_world(gateway, *pair, retry_statuses=[502, 503, 504]) as world:
        yield world


def asked(*instances: UsersInstance) -> list[int]:
    return [len(instance.journal) for instance in instances]


# Before an answer


@pytest.mark.parametrize("how", ["error", "drop"])
def test_a_request_that_may_be_repeated_is_answered_by_another(
    two: ServiceWorld, pair: tuple[UsersInstance, UsersInstance], how: str
) -> None:
    for instance in pair:
        instance.plan({"how": how, "times": 1})

    answers = [two.get("/") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert sum(asked(*pair)) == 4


def test_others_are_not_repeated(two: ServiceWorld, pair: tuple[UsersInstance, UsersInstance]) -> None:
    for instance in pair:
        instance.plan({"how": "drop", "times": 1})

    answer = two.request("POST", json={"name": "Ada"})

    assert (answer.status_code, answer.json()["code"]) == (502, "service_broken")
    assert answer.headers["content-type"] == "application/problem+json"
    assert sum(asked(*pair)) == 1


def test_unless_the_caller_names_them(two: ServiceWorld, pair: tuple[UsersInstance, UsersInstance]) -> None:
    for instance in pair:
        instance.plan({"how": "drop", "times": 1})

    answers = [two.request("POST", json={"name": "Ada"}, headers={"idempotency-key": str(n)}) for n in range(2)]

    assert {answer.status_code for answer in answers} == {201}


def test_one_that_is_down_costs_no_request(two: ServiceWorld, pair: tuple[UsersInstance, UsersInstance]) -> None:
    pair[0].kill()

    answers = [two.request("POST", json={"name": "Ada"}) for _ in range(12)]

    assert {answer.status_code for answer in answers} == {201}
    assert any("x-gateway-attempts" in answer.headers for answer in answers)
    wait_until(
        lambda: InstanceHealth.objects.filter(instance__service=two.service, standing="open").exists(),
        what="The row of the instance that is down",
    )
    assert "x-gateway-attempts" not in two.get("/").headers


def test_if_all_are_down_that_is_said(two: ServiceWorld, pair: tuple[UsersInstance, UsersInstance]) -> None:
    for instance in pair:
        instance.kill()

    answer = two.get("/")

    assert (answer.status_code, answer.json()["code"]) == (502, "service_unreachable")


def test_the_least_bad_one_is_asked_and_the_answer_says_so(
    committed_db: None, gateway: Gateway, users: UsersInstance
) -> None:
    with make_service_world(gateway, users, breaker_misses=1) as world:
        users.kill()
        assert world.get("/").status_code == 502
        users.start()

        first, second = world.get("/"), world.get("/")

    assert (first.status_code, first.headers["x-gateway-degraded"]) == (200, "no-healthy-instance")
    assert "x-gateway-degraded" not in second.headers  # it has answered


def test_the_service_learns_how_long_its_caller_waits(service_world: ServiceWorld) -> None:
    headers = dict(map(tuple, service_world.echo()["headers"]))  # type: ignore[arg-type]

    assert 590_000 < int(headers["x-stoa-timeout-ms"]) <= 600_000


# In the middle of an answer


@pytest.mark.parametrize("chunked", ["true", "false"])
@pytest.mark.parametrize("text", ["reset", "fin"])
def test_an_answer_that_breaks_off_never_looks_whole(
    service_world: ServiceWorld, users: UsersInstance, chunked: str, text: str
) -> None:
    headers = {"x-fail": f"how=break&text={text}&chunked={chunked}&bytes=4096"}

    with pytest.raises(httpx.RemoteProtocolError):
        service_world.get("/", headers=headers)

    assert asked(users) == [1]
    record = wait_until(
        lambda: ServiceRecord.objects.filter(service=service_world.service.name, outcome="broken").first()
    )
    assert record.error_code == "service_broken"


def test_nor_to_a_caller_with_http_1_0(service_world: ServiceWorld) -> None:
    host, port = service_world.gateway.base_url.removeprefix("http://").split(":")
    head = (
        f"GET {service_world.prefix}/ HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {service_world.key}\r\n"
        "X-Fail: how=break&text=fin&chunked=true&bytes=4096\r\n\r\n"
    )

    with socket.create_connection((host, int(port)), timeout=30) as client, pytest.raises(ConnectionResetError):
        client.sendall(head.encode())
        while client.recv(65_536):
            pass


def test_an_answer_that_stops_is_cut(committed_db: None, gateway: Gateway, users: UsersInstance) -> None:
    with (
        make_service_world(gateway, users, idle_timeout_seconds=0.3) as world,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        world.get("/", headers={"x-fail": "how=trickle&bytes=4000&piece=1000&seconds=5&chunked=true"})


def test_one_that_does_not_begin_to_answer_in_time_is_told_of(
    committed_db: None, gateway: Gateway, users: UsersInstance
) -> None:
    with make_service_world(gateway, users, first_byte_timeout_seconds=0.3, retries=0) as world:
        answer = world.get("/", headers={"x-fail": "how=hang"})

        assert (answer.status_code, answer.json()["code"]) == (504, "service_timeout")
        wait_until(lambda: users.open == 0, what="The end of the request there")


def test_a_caller_that_leaves_frees_the_instance(service_world: ServiceWorld, users: UsersInstance) -> None:
    with pytest.raises(httpx.ReadTimeout):
        service_world.get("/", headers={"x-fail": "how=hang"}, timeout=0.3)

    wait_until(lambda: users.open == 0, what="The end of the request there")
    assert not InstanceHealth.objects.filter(instance__service=service_world.service).exists()


# What operators say


def test_a_drained_instance_gets_nothing_new(two: ServiceWorld, pair: tuple[UsersInstance, UsersInstance]) -> None:
    drained = two.instances()[0]
    drained.is_draining = True
    drained.save()

    def is_seen() -> bool:
        pair[0].forget()
        for _ in range(4):
            two.get("/")
        return not pair[0].journal

    wait_until(is_seen, what="The gateway's notice of the drain", every=0.1)
