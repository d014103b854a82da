"""What went wrong with an instance, and what the caller is told of it. Pure."""

from dataclasses import dataclass
from typing import Final

from apps.common.errors import GatewayError, Unavailable, UpstreamFailed
from apps.services.health.memory import Reason
from apps.services.registry import Entry

FAILING: Final = frozenset({502, 503, 504})  # what a server says that cannot do its work

_WORDS: Final[dict[Reason, str]] = {
    "unreachable": "No connection could be made.",
    "too_slow": "It did not begin to answer in time.",
    "closed": "It closed the connection without an answer.",
    "broken": "It broke off its answer.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt. `was_sent`: the instance may have seen some of the request."""

    reason: Reason
    words: str
    was_sent: bool = True
    wait: float | None = None  # in seconds, until when the instance does not want to hear of it


def failure(reason: Reason, *, detail: str = "", was_sent: bool = True) -> Failure:
    return Failure(reason=reason, words=" ".join(filter(None, (_WORDS[reason], detail))), was_sent=was_sent)


def is_failure(entry: Entry, status: int) -> bool:
    """Whether an answer counts against the instance. An operator adds others than FAILING by having them retried."""
    return status in FAILING or (status >= 500 and status in entry.retries.statuses)


def of_status(status: int, *, wait: float | None) -> Failure:
    return Failure(reason="error", words=f"It answered {status}.", wait=wait)


# What the caller is told


def no_instance(entry: Entry) -> GatewayError:
    if entry.endpoints:
        return Unavailable(
            "no_instance",
            f"No instance of the service '{entry.name}' is in use at the moment. Try again later.",
            wait=10,
        )
    return Unavailable("no_instance", f"The service '{entry.name}' has no instances. Its operator adds one.", wait=10)


def all_busy(entry: Entry) -> GatewayError:
    return Unavailable(
        "service_busy", f"All connections to the service '{entry.name}' are in use. Try again in a moment.", wait=1
    )


def error_of(entry: Entry, last: Failure) -> GatewayError:
    """What an attempt ends in when it was the last one."""
    if last.reason == "too_slow":
        return UpstreamFailed(
            "service_timeout", f"The service '{entry.name}' did not answer in time. Try again later.", status=504
        )
    if last.reason == "unreachable":
        return UpstreamFailed(
            "service_unreachable", f"The service '{entry.name}' cannot be reached. Try again in a moment."
        )
    return UpstreamFailed(
        "service_broken", f"The service '{entry.name}' broke off without an answer. Try again in a moment."
    )
