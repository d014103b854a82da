"""Asks one instance how it is: a bounded GET through the address guard."""

import asyncio
import time
from dataclasses import dataclass

import httpx

from apps.common.causes import why
from apps.common.guarded import guarded_client
from apps.services.health.checks import CheckPolicy, accepts

HEADERS = {"user-agent": "stoa-health-check", "accept": "*/*", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedInstance:
    """An instance, and all that it takes to check it."""

    id: int
    url: str  # with the path of the check
    allow_private: bool
    timeout: float
    statuses: str
    policy: CheckPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """What a check found, in a sentence for operators; empty if all is well."""

    error: str
    latency_ms: int | None = None


async def check(instance: CheckedInstance) -> CheckFinding:
    """Never raises for what an instance does, or does not do."""
    began, seconds = time.perf_counter(), instance.timeout
    try:
        async with (
            asyncio.timeout(seconds),
            guarded_client(allow_private=instance.allow_private, seconds=seconds) as client,
            client.stream("GET", instance.url, headers=HEADERS) as response,
        ):
            status = response.status_code
    except (TimeoutError, httpx.TimeoutException):
        return CheckFinding(error=f"It did not answer its health check within {seconds:g} seconds.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return CheckFinding(error=why(error, url=instance.url) or "It broke off, or does not speak HTTP there.")
    latency_ms = round((time.perf_counter() - began) * 1000)
    is_good = accepts(instance.statuses, status)
    return CheckFinding(error="" if is_good else f"Its health check answered {status}.", latency_ms=latency_ms)
