"""Bodies that are longer or shorter than was announced, on either side: nobody takes the rest for something else."""

import socket
from urllib.parse import urlencode

import httpx
import pytest

from apps.services.models import InstanceHealth
from tests.chat.world import wait_until
from tests.server.raw import PATIENCE, answer
from tests.services.instances import UsersInstance
from tests.services.test_edge import head
from tests.services.world import ServiceWorld

OK = "HTTP/1.1 200 OK\r\n"
EVIL = OK + "content-length: 4\r\n\r\nevil"


def raw(text: str) -> dict[str, str]:
    """Have the instance answer so, byte for byte."""
    return {"x-fail": urlencode({"how": "raw", "text": text})}


@pytest.mark.parametrize("more", ["more", EVIL, "HTTP/1.1 2"], ids=["junk", "another answer", "its beginning"])
@pytest.mark.parametrize(
    "framed", ["content-length: 5\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ids=["length", "chunks"],
)  # fmt: skip
def test_an_answer_ends_where_it_said(service_world: ServiceWorld, framed: str, more: str) -> None:
    bodies = [service_world.get("/", headers=raw(OK + framed + more)).text for _ in range(3)]
    after = service_world.get("/health")

    assert bodies == ["hello"] * 3
    assert (after.status_code, "evil" in after.text) == (200, False)


def test_an_answer_that_is_shorter_than_it_said_never_looks_whole(service_world: ServiceWorld) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        service_world.get("/", headers=raw(OK + "content-length: 10\r\n\r\nhello"))


@pytest.mark.parametrize(
    "framing",
    [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: 5\r\ntransfer-encoding: chunked",
        "content-length: -5",
        "transfer-encoding: gzip, chunked",
    ],
)
def test_an_answer_of_which_nobody_knows_the_length_is_refused(service_world: ServiceWorld, framing: str) -> None:
    refused = service_world.request("POST", "/", headers=raw(f"{OK}{framing}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))

    assert (refused.status_code, refused.json()["code"]) == (502, "service_broken")


@pytest.mark.parametrize(
    ("told", "sent"),
    [(b"Content-Length: 1000000\r\n", b"x" * 500_000), (b"Transfer-Encoding: chunked\r\n", b"3\r\none\r\n5\r\ntw")],
    ids=["length", "chunks"],
)
def test_a_body_that_is_shorter_than_it_said_is_no_whole_one_there_either(
    service_world: ServiceWorld, users: UsersInstance, told: bytes, sent: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", service_world.gateway.port), timeout=PATIENCE) as client:
        client.sendall(head(service_world, "POST {}/short", told) + sent)
        wait_until(lambda: users.journal, what="The beginning of the request there")

    wait_until(lambda: users.open == 0, what="The end of the request there")
    assert [(request["target"], request["is_whole"]) for request in users.journal] == [("/short", False)]
    assert not InstanceHealth.objects.filter(instance__service=service_world.service).exists()


def test_a_body_that_is_longer_than_it_said_is_cut_there(service_world: ServiceWorld, users: UsersInstance) -> None:
    request = head(service_world, "POST {}/long", b"x-fail: how=echo\r\n", b"Content-Length: 5\r\n")

    answer(service_world.gateway, request, b"helloGET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert [(request["target"], request["body"]) for request in users.journal] == [("/long", "hello")]
