"""Asking a provider that does not answer, or not properly."""

import asyncio
import datetime
import gzip
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from apps.common import pools
from apps.providers.probes.asking import ask_all
from tests.common.relay.certificates import DAY, Authority
from tests.common.relay.raw import Peer, replies_once, serving
from tests.provider_stub import ProviderStub
from tests.provider_stub.stub import MODELS
from tests.providers.probing import found, routed, subject


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(Path(tmp_path_factory.mktemp("authority")))
    pools.TLS.load_verify_locations(authority.path)
    return authority


async def test_a_refused_connection_names_the_port() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        finding = (await found(f"http://127.0.0.1:{port}/v1")).finding

    assert f"refuses connections on port {port}" in finding.sentence


async def test_an_unknown_name_is_a_typing_error() -> None:
    finding = (await found("https://provider.invalid/v1")).finding

    assert finding.trouble == "unreachable"
    assert "provider.invalid" in finding.sentence


def test_a_name_server_that_does_not_answer_is_bounded_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers.wait(10) and [])
    began = time.monotonic()

    (probe,) = asyncio.run(ask_all([subject("http://provider.invalid/v1")], seconds=0.5))

    assert time.monotonic() - began < 5
    answers.set()
    assert "The name server does not answer for provider.invalid." in probe.finding.sentence


async def test_a_private_address_says_which_switch_to_turn(stub: ProviderStub) -> None:
    finding = (await found(stub.base_url, allow_private=False)).finding

    assert "Allow private network" in finding.sentence
    assert stub.checks == []


async def test_silence_is_bounded(stub: ProviderStub) -> None:
    stub.lists(hang_before_first_byte=True)

    finding = (await found(stub.base_url, seconds=1.5)).finding

    assert (finding.trouble, finding.sentence) == ("too_slow", "127.0.0.1 did not answer within 1.5 seconds.")


async def drips(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n", *[b" "] * 10_000)


async def test_a_body_that_drips_is_bounded() -> None:
    async with serving(drips) as server:
        assert (await found(server.url(), seconds=1)).finding.trouble == "too_slow"


async def floods(peer: Peer) -> None:
    await peer.request()
    peer.writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(4096):
        peer.writer.write(b" " * 65_536)
        await peer.writer.drain()


async def test_a_body_without_end_is_bounded() -> None:
    async with serving(floods) as server:
        assert (await found(server.url())).finding.trouble == "strange"


async def test_what_is_compressed_against_our_wish_is_read_in_bounds(stub: ProviderStub) -> None:
    stub.lists(body=MODELS, gzip=True)
    assert (await found(stub.base_url)).is_well

    bomb = gzip.compress(b" " * 10_000_000)
    stub.lists(body=bomb, headers={"content-encoding": "gzip"})
    assert (await found(stub.base_url, path="/x")).is_well


@pytest.mark.parametrize(("status", "trouble"), [(200, "strange"), (401, "credential")])
async def test_an_encoding_that_cannot_be_read_leaves_the_status(stub: ProviderStub, status: int, trouble: str) -> None:
    stub.lists(status=status, body=b"\x0b\x02\x80{}\x03", headers={"content-encoding": "br"})

    assert (await found(stub.base_url)).finding.trouble == trouble


CUTS: list[Any] = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="no http"),
    pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", id="half"),
]


@pytest.mark.parametrize("wire", CUTS)
async def test_a_broken_answer_says_so(wire: bytes) -> None:
    async with serving(replies_once(wire)) as server:
        finding = (await found(server.url())).finding

    assert finding.trouble == "broken"
    assert f"broke off, or does not speak HTTP on port {server.port}" in finding.sentence


CERTIFICATES: list[Any] = [
    pytest.param("example.org", {}, "for another name than localhost", id="another name"),
    pytest.param("localhost", {"is_signed": False}, "an authority that this machine does not trust", id="self-signed"),
    pytest.param("localhost", {"valid": -DAY}, "has expired", id="expired"),
]


@pytest.mark.parametrize(("name", "form", "sentence"), CERTIFICATES)
async def test_a_certificate_says_what_is_wrong_with_it(
    authority: Authority, name: str, form: dict[str, datetime.timedelta | bool], sentence: str
) -> None:
    tls = authority.server(name, **form)  # type: ignore[arg-type]
    async with serving(routed({b"/v1/models": MODELS}), tls=tls) as server:
        finding = (await found(server.url("localhost", scheme="https"))).finding

    assert sentence in finding.sentence


async def test_a_server_without_tls_says_so() -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as server:
        finding = (await found(server.url(scheme="https"))).finding

    assert "does not speak TLS" in finding.sentence


async def test_a_handshake_that_does_not_end_is_bounded(stub: ProviderStub) -> None:
    finding = (await found(stub.base_url.replace("http:", "https:"), seconds=1)).finding

    assert f"No connection to 127.0.0.1 on port {stub.port} in time" in finding.sentence
