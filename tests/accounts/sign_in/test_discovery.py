"""What is fetched from an issuer, and what is refused of it."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apps.accounts.sign_in import discovery
from apps.accounts.sign_in.discovery import IssuerAway, IssuerWrong, Source, fetch, parse_document, parse_keys
from tests.accounts.sign_in.publisher import WELL_KNOWN, Publisher, ec_jwk, ed25519_jwk, publishing, rsa_jwk


@pytest.fixture(scope="module")
def running() -> Iterator[Publisher]:
    with publishing() as server:
        yield server


@pytest.fixture
def issuer(running: Publisher) -> Publisher:
    running.pages.clear()
    running.publish()
    running.asked.clear()
    return running


def source(issuer: Publisher, *, allow_private: bool = True) -> Source:
    return Source(issuer=issuer.url, allow_private=allow_private)


async def test_an_issuer_is_found_by_its_address(issuer: Publisher) -> None:
    published = await fetch(source(issuer))

    assert published.token_endpoint == f"{issuer.url}/token"
    assert set(published.keys) == {"first"}
    assert issuer.asked == [WELL_KNOWN, "/keys"]


async def test_a_slash_at_the_end_of_an_issuer_belongs_to_its_name(issuer: Publisher) -> None:
    issuer.publish(issuer=f"{issuer.url}/")

    published = await fetch(Source(issuer=f"{issuer.url}/", allow_private=True))

    assert published.issuer == f"{issuer.url}/"


def elsewhere(issuer: Publisher) -> None:
    issuer.publish(issuer="https://evil.example")


def redirect(issuer: Publisher) -> None:
    issuer.page(WELL_KNOWN, b"", 302, Location=f"{issuer.url}/other")


def redirected_keys(issuer: Publisher) -> None:
    issuer.page("/keys", b"", 307, Location=f"{issuer.url}/other")


def huge(issuer: Publisher) -> None:
    issuer.page("/keys", b" " * (discovery.MOST_BYTES + 1))


def no_json(issuer: Publisher) -> None:
    issuer.page(WELL_KNOWN, b"<html>")


def a_list(issuer: Publisher) -> None:
    issuer.page(WELL_KNOWN, [])


def missing(issuer: Publisher) -> None:
    issuer.pages.clear()


def no_keys(issuer: Publisher) -> None:
    issuer.publish({"kty": "oct", "kid": "shared", "k": "c2VjcmV0"})


def no_token_endpoint(issuer: Publisher) -> None:
    issuer.publish(token_endpoint=None)


WRONG: list[tuple[Callable[[Publisher], None], str]] = [
    (elsewhere, "calls itself https://evil.example, not"),
    (redirect, "redirect, which is not followed"),
    (redirected_keys, "redirect, which is not followed"),
    (huge, "more than 512 kB"),
    (no_json, "not JSON"),
    (a_list, "no JSON object"),
    (missing, "status 404 at /.well-known/openid-configuration"),
    (no_keys, "no key with which tokens could be checked"),
    (no_token_endpoint, "has no token_endpoint"),
]


@pytest.mark.parametrize(("breaks", "sentence"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_cannot_be_used_is_told(
    issuer: Publisher, breaks: Callable[[Publisher], None], sentence: str
) -> None:
    breaks(issuer)

    with pytest.raises(IssuerWrong, match=sentence):
        await fetch(source(issuer))
    assert "/other" not in issuer.asked


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_issuer_that_fails_may_come_back(issuer: Publisher, status: int) -> None:
    issuer.page(WELL_KNOWN, {}, status)

    with pytest.raises(IssuerAway, match=f"status {status}"):
        await fetch(source(issuer))


async def test_nobody_at_the_address_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]

    with pytest.raises(IssuerAway, match="cannot be reached"):
        await fetch(Source(issuer=f"http://127.0.0.1:{port}", allow_private=True))


async def test_a_private_address_is_not_asked_without_permission(issuer: Publisher) -> None:
    with pytest.raises(IssuerWrong, match="inside a private network"):
        await fetch(source(issuer, allow_private=False))
    assert issuer.asked == []


ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("url", ["http://idp.example/x", "https://user:pass@idp.example/x", "ftp://idp.example", "", 7])
def test_no_address_in_a_document_is_taken_unseen(name: str, url: Any) -> None:
    document = {"issuer": "https://idp.example", **dict.fromkeys(ADDRESSES, "https://idp.example/x"), name: url}

    with pytest.raises(IssuerWrong, match=name):
        parse_document(document, source=Source(issuer="https://idp.example"))


@pytest.mark.parametrize("name", [None, 7, ["https://idp.example"], "https://idp.example/", "HTTPS://idp.example"])
def test_the_issuer_must_match_exactly(name: Any) -> None:
    with pytest.raises(IssuerWrong, match="calls itself"):
        parse_document({"issuer": name}, source=Source(issuer="https://idp.example"))


RSA = rsa_jwk("rsa")


@pytest.mark.parametrize(
    ("jwk", "algorithms"),
    [
        (RSA, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ({**RSA, "alg": "RS256"}, ("RS256",)),
        (ec_jwk("k"), ("ES256",)),
        (ec_jwk("k", ec.SECP384R1()), ("ES384",)),
        (ec_jwk("k", ec.SECP521R1(), use="sig"), ("ES512",)),
        (ed25519_jwk("k"), ("EdDSA",)),
    ],
    ids=["RSA", "RSA with a name", "P-256", "P-384", "P-521", "Ed25519"],
)
def test_a_key_says_what_it_may_have_signed(jwk: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    [key] = parse_keys({"keys": [jwk]}).values()

    assert key.algorithms == algorithms


UNUSABLE: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "empty": {},
    "for encryption": {**RSA, "use": "enc"},
    "of a shared secret": {**RSA, "alg": "HS256"},
    "of no signature": {**RSA, "alg": "none"},
    "id is a number": {**RSA, "kid": 7},
    "no base64": {**RSA, "n": "not base64!"},
    "a number": {**RSA, "n": 5},
    "kind is a list": {**RSA, "kty": ["RSA"]},
    "symmetric": {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
    "unknown curve": {**ec_jwk("k"), "crv": "secp256k1"},
    "curve is an object": {**ec_jwk("k"), "crv": {}},
    "algorithm of another curve": {**ec_jwk("k"), "alg": "ES384"},
    "not on the curve": {**ec_jwk("k"), "y": "AAAA"},
    "weak": rsa_jwk("weak", 1024),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_keys_that_prove_nothing_are_left_out(name: str) -> None:
    assert set(parse_keys({"keys": [UNUSABLE[name], ec_jwk("good")]})) == {"good"}


def test_a_private_part_in_a_key_set_is_not_read() -> None:
    [key] = parse_keys({"keys": [{**ec_jwk("k"), "d": "AAAA"}]}).values()

    assert not hasattr(key.key.key, "private_numbers")
