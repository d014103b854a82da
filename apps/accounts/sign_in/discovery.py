"""What an issuer publishes about itself: its addresses and the keys of its signatures, fetched behind the guard.

Fetching is bounded in time and size and follows no redirects. What comes back is checked before anything is made of it.
"""

import asyncio
import socket
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import orjson

from apps.common.addresses import ForbiddenAddress, check_url

if TYPE_CHECKING:
    from jwt import PyJWK

T = TypeVar("T")
SECONDS = 5.0  # for one document, connecting included
MOST_BYTES = 512 * 1024
MOST_KEYS = 100
LEAST_RSA_BITS = 2048
WELL_KNOWN = "/.well-known/openid-configuration"
# What a kind of key may sign. Shared secrets are not among them, so no public key is ever taken for one.
_ALGORITHMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}


class IssuerTrouble(Exception):
    """Something is wrong with an issuer. The sentence is for people and names no secret."""


class IssuerAway(IssuerTrouble):
    """It does not answer, or fails. Trying again later may help."""


class IssuerWrong(IssuerTrouble):
    """It answers with something that cannot be used until an operator, here or there, changes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an issuer is, and how it may be reached."""

    issuer: str
    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A public key of an issuer, and the algorithms with which it may have signed."""

    kid: str
    algorithms: tuple[str, ...]
    key: "PyJWK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What an issuer published at one moment."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    basic_auth: bool
    keys: Mapping[str, SigningKey] = field(default_factory=dict)


def run(asking: Coroutine[Any, Any, T]) -> T:
    """Run what asks an issuer, in a thread without an event loop, with the libraries that it needs.

    They are loaded here, since httpx takes megabytes that most web processes never need, and loading it would block
    the loop.
    """
    for name in ("httpx", "jwt", "apps.common.guarded"):
        import_module(name)
    return asyncio.run(asking)


async def fetch(source: Source) -> Published:
    """The discovery document and the key set. Raises IssuerTrouble."""
    document = await fetch_json(source.issuer.rstrip("/") + WELL_KNOWN, source=source)
    found = parse_document(document, source=source)
    keys = parse_keys(await fetch_json(found["jwks_uri"], source=source))
    return Published(basic_auth=_wants_basic_auth(document), keys=keys, **found)


async def fetch_json(url: str, *, source: Source, **request: Any) -> dict[str, Any]:
    """GET, or POST if there is `data`. Raises IssuerTrouble."""
    status, body = await _ask(url, source=source, request=request)
    host = urlsplit(url).netloc
    if 300 <= status < 400:
        raise IssuerWrong(f"{host} answers with a redirect, which is not followed. Enter the address it leads to.")
    if status >= 500 or status == 429:
        raise IssuerAway(f"{host} fails: it answers with status {status}.")
    if status != 200:
        raise IssuerWrong(f"{host} answers with status {status} at {urlsplit(url).path}.")
    try:
        value = orjson.loads(body)
    except ValueError as error:
        raise IssuerWrong(f"{host} answers with something that is not JSON at {urlsplit(url).path}.") from error
    if not isinstance(value, dict):
        raise IssuerWrong(f"{host} answers with something that is no JSON object at {urlsplit(url).path}.")
    return value


async def _ask(url: str, *, source: Source, request: dict[str, Any]) -> tuple[int, bytes]:
    import httpx

    from apps.common.guarded import guarded_client

    host = urlsplit(url).netloc
    method = "POST" if "data" in request else "GET"
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", **request.pop("headers", {})}
    try:
        async with (
            asyncio.timeout(SECONDS),
            guarded_client(allow_private=source.allow_private, seconds=SECONDS) as client,
            client.stream(method, url, headers=headers, **request) as response,
        ):
            return response.status_code, await _body(response, host)
    except ForbiddenAddress as error:
        raise IssuerWrong(f"{host} is inside a private network, which this issuer may not use.") from error
    except socket.gaierror as error:
        raise IssuerAway(f"The name {host} cannot be resolved.") from error
    except TimeoutError as error:
        raise IssuerAway(f"{host} did not answer within {SECONDS:.0f} seconds.") from error
    except (httpx.TimeoutException, httpx.ConnectError) as error:
        raise IssuerAway(f"{host} cannot be reached.") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise IssuerAway(f"The connection to {host} broke off.") from error


async def _body(response: Any, host: str) -> bytes:
    parts, size = [], 0
    async for block in response.aiter_raw():
        parts.append(block)
        size += len(block)
        if size > MOST_BYTES:
            raise IssuerWrong(f"{host} answers with more than {MOST_BYTES // 1024} kB.")
    return b"".join(parts)


def parse_document(document: Mapping[str, Any], *, source: Source) -> dict[str, str]:
    """The addresses in a discovery document. Raises IssuerWrong."""
    if document.get("issuer") != source.issuer:
        raise IssuerWrong(
            f"The issuer calls itself {_shown(document.get('issuer'))}, not {source.issuer}. Enter it exactly as it "
            "spells itself, or use the address of your own tenant."
        )
    required = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    found = {name: _address(document, name, source) for name in required}
    has_userinfo = "userinfo_endpoint" in document
    userinfo = _address(document, "userinfo_endpoint", source) if has_userinfo else ""
    return {"issuer": source.issuer, "userinfo_endpoint": userinfo, **found}


def _address(document: Mapping[str, Any], name: str, source: Source) -> str:
    url = document.get(name)
    if not isinstance(url, str):
        raise IssuerWrong(f"The discovery document has no {name}.")
    try:
        check_url(url.partition("?")[0])
    except ValueError as error:
        raise IssuerWrong(f"The {name} in the discovery document is no address.") from error
    if urlsplit(url).scheme != "https" and not source.allow_private:
        raise IssuerWrong(f"The {name} in the discovery document does not start with https://.")
    return url


def _wants_basic_auth(document: Mapping[str, Any]) -> bool:
    """True unless the secret may go into the body. The specification's default is basic authentication."""
    methods = document.get("token_endpoint_auth_methods_supported")
    return not (isinstance(methods, list) and "client_secret_post" in methods)


def parse_keys(document: Mapping[str, Any]) -> dict[str, SigningKey]:
    """The keys that may have signed, by their id, without those that cannot be used. Raises IssuerWrong if none is."""
    rows = document.get("keys")
    if not isinstance(rows, list):
        raise IssuerWrong("The key set has no list of keys.")
    found = [key for key in map(_signing_key, rows[:MOST_KEYS]) if key is not None]
    if not found:
        raise IssuerWrong("The key set has no key with which tokens could be checked.")
    return {key.kid: key for key in found}


def _signing_key(row: Any) -> SigningKey | None:
    from jwt import PyJWK, PyJWTError

    if not isinstance(row, dict) or row.get("use", "sig") != "sig":
        return None
    kid, kind = row.get("kid", ""), row.get("kty")
    if not isinstance(kid, str) or not isinstance(kind, str):
        return None
    curve = row.get("crv", "") if kind != "RSA" else ""
    allowed = _ALGORITHMS.get((kind, curve if isinstance(curve, str) else ""), ())
    named = row.get("alg")
    algorithms = tuple(one for one in allowed if named is None or one == named)
    if not algorithms:
        return None
    public = {name: row[name] for name in ("kty", "kid", "n", "e", "crv", "x", "y") if name in row}
    try:
        key = PyJWK(public, algorithm=algorithms[0])
    except (PyJWTError, ValueError, TypeError):
        return None
    if kind == "RSA" and key.key.key_size < LEAST_RSA_BITS:
        return None
    return SigningKey(kid=kid, algorithms=algorithms, key=key)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else "by no name"
    return text if len(text) <= 200 and text.isprintable() else "by a name that cannot be shown"
