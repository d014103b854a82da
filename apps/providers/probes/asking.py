"""Asks providers for their models: one bounded GET, and a few more if the base URL seems to be wrong."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin

import httpx
import orjson

from apps.common.guarded import guarded_client
from apps.providers.probes.findings import Finding, alternatives, of_answer, of_error, with_models, with_remedy

SECONDS = 5.0  # for an answer, connecting included
MOST_BYTES = 4 * 1024 * 1024  # of a body; the longest lists in use have one
MOST_MODELS = 5_000
LONGEST_NAME = 200
AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A provider with one of its credentials: all that it takes to ask it.

    `hindrance` says why it cannot be asked. `fingerprint` changes with everything that the answer depends on.
    """

    provider_id: int
    provider: str
    credential_id: int | None = None
    label: str = ""
    base_url: str
    path: str = ""
    allow_private: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str = field(default="", repr=False)
    upstream_models: tuple[str, ...] = ()
    hindrance: Finding | None = None
    fingerprint: str = ""

    @property
    def key(self) -> str:
        return f"{self.provider_id}/{self.credential_id or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What asking found. `latency_ms` is the time until the answer was complete; None if there was none."""

    finding: Finding
    latency_ms: int | None = None

    @property
    def is_well(self) -> bool:
        return not self.finding.trouble


async def ask_all(subjects: Iterable[Subject], *, seconds: float = SECONDS) -> list[Probe]:
    """One probe a subject, in their order, at most AT_ONCE at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(subject: Subject) -> Probe:
        async with places:
            return await ask(subject, seconds=seconds)

    return list(await asyncio.gather(*map(one, subjects)))


async def ask(subject: Subject, *, seconds: float = SECONDS) -> Probe:
    """Never raises for what a provider does, or does not do."""
    if subject.hindrance is not None:
        return Probe(finding=subject.hindrance)
    async with guarded_client(allow_private=subject.allow_private, seconds=seconds) as client:
        url = _address(subject.base_url, subject.path)
        probe = await _get(client, url, subject, seconds)
        if probe.finding.trouble in ("missing", "strange") and not subject.path:
            better = await _better(client, subject, seconds)
            return replace(probe, finding=with_remedy(probe.finding, base_url=subject.base_url, better=better))
        return replace(probe, finding=with_models(probe.finding, subject.upstream_models))


async def _better(client: httpx.AsyncClient, subject: Subject, seconds: float) -> str:
    """Another base URL on the same server that does list models, or nothing."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for base_url in alternatives(subject.base_url):
                if (await _get(client, _address(base_url, ""), subject, seconds)).finding.models:
                    return base_url
    return ""


async def _get(client: httpx.AsyncClient, url: str, subject: Subject, seconds: float) -> Probe:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(seconds), client.stream("GET", url, headers=dict(subject.headers)) as response:
            body = await _body(response)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return Probe(finding=of_error(error, url=url, seconds=seconds))
    finding = of_answer(
        response.status_code,
        models=models_in(body, but=subject.secret),
        looks_like_html=body.lstrip()[:1] == b"<",
        is_list_wanted=not subject.path,
        has_key=bool(subject.secret),
    )
    return Probe(finding=finding, latency_ms=round((time.perf_counter() - began) * 1000))


def _address(base_url: str, path: str) -> str:
    """`path` as in a link on a page at `base_url`: one that begins with a slash starts at the server's root."""
    return urljoin(f"{base_url}/", path or "models")


async def _body(response: httpx.Response) -> bytes:
    """As much of the body as is read, decompressed in bounds: identity was asked for, but not all comply.

    Of a body in an unknown encoding, nothing: the status says most of it.
    """
    parts, size = [], 0
    async for block in response.aiter_raw():
        parts.append(block)
        size += len(block)
        if size >= MOST_BYTES:
            break
    body = b"".join(parts)
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        try:
            return zlib.decompressobj(wbits=47).decompress(body, MOST_BYTES)
        except zlib.error:
            return b""
    return body[:MOST_BYTES]


def models_in(body: bytes, *, but: str = "") -> tuple[str, ...] | None:
    """The names in a list of models, in the spellings in use, without those that quote `but`, which is our key.

    None if the body is no such list.
    """
    try:
        value: Any = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
    if isinstance(value, dict):
        value = next((value[key] for key in ("data", "models") if isinstance(value.get(key), list)), None)
    if not isinstance(value, list):
        return None
    names = [_name(row) for row in value[:MOST_MODELS]]
    return tuple(name for name in names if name and not (but and but in name))


def _name(row: Any) -> str:
    if isinstance(row, dict):
        row = row.get("id") or row.get("name") or row.get("model")
    return row if isinstance(row, str) and row.isprintable() and len(row) <= LONGEST_NAME else ""
