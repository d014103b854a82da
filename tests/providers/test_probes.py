"""Asking a provider: what is wrong with it, in a sentence that an operator can act on."""

import asyncio
import datetime
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.common import pools
from apps.providers.probes.asking import Probe, Subject, ask, ask_all
from apps.providers.probes.findings import Finding
from tests.common.relay.certificates import DAY, Authority
from tests.common.relay.raw import Peer, Script, replies_once, serving
from tests.provider_stub import ProviderStub
from tests.provider_stub.stub import MODELS

KEY = "sk-secret-of-the-test"


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        yield stub


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(Path(tmp_path_factory.mktemp("authority")))
    pools.TLS.load_verify_locations(authority.path)
    return authority


def subject(base_url: str, **overrides: Any) -> Subject:
    values: dict[str, Any] = {
        "provider_id": 1,
        "provider": "campus",
        "base_url": base_url,
        "allow_private": True,
        "headers": {"authorization": f"Bearer {KEY}", "x-title": "Stoa"},
        "secret": KEY,
    }
    return Subject(**{**values, **overrides})


async def found(base_url: str, *, seconds: float = 5, **overrides: Any) -> Probe:
    probe = await ask(subject(base_url, **overrides), seconds=seconds)
    assert KEY not in repr(probe)
    return probe


async def test_a_provider_that_lists_its_models_is_well(stub: ProviderStub) -> None:
    probe = await found(stub.base_url)

    assert (probe.is_well, probe.finding.models) == (True, ("stub-model", "stub-large-2026-01-31"))
    assert probe.latency_ms is not None
    asked = stub.checks[-1]
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert (asked.headers["authorization"], asked.headers["x-title"]) == (f"Bearer {KEY}", "Stoa")


@pytest.mark.parametrize(("path", "asked"), [("/health", "/health"), ("health", "/v1/health")])
async def test_a_path_of_its_own_is_asked(stub: ProviderStub, path: str, asked: str) -> None:
    stub.lists(body=b"ok")

    probe = await found(stub.base_url, path=path)

    assert (probe.is_well, stub.checks[-1].path) == (True, asked)


async def test_a_wrong_path_of_its_own_is_named(stub: ProviderStub) -> None:
    stub.lists(status=404, body=None)

    finding = (await found(stub.base_url, path="/healthz")).finding

    assert finding.sentence == "The probe path answers 404. Correct it, or leave it empty."


SPELLINGS: list[Any] = [
    b'\xef\xbb\xbf{"data": [{"id": "small"}]}',
    b'[{"id": "small"}]',
    b'{"models": [{"name": "small"}]}',
    b'{"models": ["small"]}',
]


@pytest.mark.parametrize("body", SPELLINGS)
async def test_a_list_of_models_may_be_spelled_otherwise(stub: ProviderStub, body: bytes) -> None:
    stub.lists(body=body)

    assert (await found(stub.base_url)).finding.models == ("small",)


async def test_a_name_that_quotes_our_key_is_none(stub: ProviderStub) -> None:
    stub.lists(body=b'{"data": [{"id": "small"}, {"id": "x-%s"}]}' % KEY.encode())

    assert (await found(stub.base_url)).finding.models == ("small",)


STATUSES: list[Any] = [
    (401, "credential", "does not accept the key"),
    (402, "billing", "no credit left"),
    (403, "forbidden", "Check its permissions"),
    (429, "rate", "refuses for now"),
    (500, "error", "error of its own"),
    (503, "error", "overloaded or down"),
    (418, "strange", "answered 418"),
    (308, "missing", "redirects elsewhere"),
]


@pytest.mark.parametrize(("status", "trouble", "sentence"), STATUSES)
async def test_a_status_says_what_is_wrong(stub: ProviderStub, status: int, trouble: str, sentence: str) -> None:
    stub.lists(status=status, body=None, headers={"location": "http://127.0.0.1:1/"})

    finding = (await found(stub.base_url)).finding

    assert finding.trouble == trouble
    assert sentence in finding.sentence
    assert "acct_secret" not in finding.sentence


def routed(answers: dict[bytes, bytes]) -> Script:
    """A server that knows these paths only."""

    async def script(peer: Peer) -> None:
        while True:
            path = (await peer.request()).split(b" ")[1]
            status, body = (b"200 OK", answers[path]) if path in answers else (b"404 Not Found", b"<html>none</html>")
            await peer.send(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))

    return script


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("", "/v1"),
        ("/v1/chat/completions", "/v1"),
        ("/v1", "/api/v1"),
        ("/v2", "/openai/v1"),
        ("/openai/v1", "/openai"),
    ],
)
async def test_a_wrong_address_is_answered_with_the_one_that_works(typed: str, right: str) -> None:
    async with serving(routed({f"{right}/models".encode(): MODELS})) as server:
        root = f"http://127.0.0.1:{server.port}"
        finding = (await found(root + typed)).finding

    assert f"{root}{right} answers: is that the base URL?" in finding.sentence
    assert finding.trouble == "missing"


async def test_a_web_page_is_not_a_list_of_models() -> None:
    async with serving(routed({b"/models": b"<!doctype html><p>Hello</p>"})) as server:
        finding = (await found(f"http://127.0.0.1:{server.port}")).finding

    assert "a web page instead of a list" in finding.sentence
    assert "most end in /v1" in finding.sentence


async def test_a_provider_without_a_list_can_be_left_alone(stub: ProviderStub) -> None:
    stub.lists(status=404, body=None)

    assert "set the path of its probe to “off”" in (await found(stub.base_url)).finding.sentence


@pytest.mark.parametrize(
    "wanted", ["stub-model", "stub-large-2026-01-31", "stub-large", "models/stub-model", "stub-model:free"]
)
async def test_a_listed_model_is_found_by_its_usual_names(stub: ProviderStub, wanted: str) -> None:
    assert (await found(stub.base_url, upstream_models=(wanted,))).is_well


async def test_a_model_that_is_not_listed_is_named(stub: ProviderStub) -> None:
    finding = (await found(stub.base_url, upstream_models=("stub-modl", "other"))).finding

    assert finding.trouble == "models"
    assert "does not list “stub-modl” and 1 more. Did you mean “stub-model”?" in finding.sentence


# Without an answer


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


# Many


async def test_many_are_asked_at_once_and_keep_their_order(stub: ProviderStub) -> None:
    stub.lists(body=MODELS, delay=0.2)
    subjects = [subject(stub.base_url), *[subject("http://127.0.0.1:1/v1")] * 2, subject(stub.base_url)]

    probes = await ask_all(subjects)

    assert [probe.is_well for probe in probes] == [True, False, False, True]


async def test_a_hindrance_is_all_there_is_to_say(stub: ProviderStub) -> None:
    hindered = replace(subject(stub.base_url), hindrance=Finding(trouble="secret", sentence="No secret."))

    assert (await ask(hindered)).finding.sentence == "No secret."
    assert stub.checks == []
