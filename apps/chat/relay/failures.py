"""What a student is told when every attempt failed. Pure.

Codes, statuses and headers are chosen by what clients do with them: they repeat a 429, a 502, a 503 and a 504, unless
`x-should-retry` says that it is of no use. What only the operator can mend is never repeated.
"""

from collections.abc import Sequence
from math import ceil

from apps.chat.call import ChatCall
from apps.common.errors import BodyTooLarge, GatewayError, InvalidRequest, Unavailable, UpstreamFailed
from apps.providers.adapters.protocol import AnswerTooLong, UpstreamBroken
from apps.providers.failures import Reason, UpstreamRefused
from apps.providers.failures.refusals import CONTENT_CODE

INTERRUPTED = "upstream_interrupted"
LONGEST_REPEAT = 60  # seconds after which clients shall not wait by themselves
_OF_THE_OPERATOR: frozenset[Reason] = frozenset({"credential", "billing", "missing", "added"})
_OF_CAPACITY: frozenset[Reason] = frozenset({"rate", "busy", "full"})
_NO_REPEAT = {"x-should-retry": "false"}


def interrupted(broken: UpstreamBroken) -> GatewayError:
    """The error of an answer that broke off after its first content, or became too long."""
    if isinstance(broken, AnswerTooLong):
        return UpstreamFailed(
            INTERRUPTED,
            "The answer became longer than the gateway passes on. Ask for a shorter one.",
            headers=_NO_REPEAT,
        )
    return UpstreamFailed(INTERRUPTED, "The provider broke off in the middle of its answer. Ask again.")


def failure_of(call: ChatCall, failed: Sequence[UpstreamRefused], *, wait: float | None = None) -> GatewayError:
    """The error of a call whose attempts failed like this, in their order.

    `wait` are the seconds until the first deployment that has reached its limit may be asked again.
    """
    if not failed:
        return _at_their_limit(wait) if wait is not None else _nobody(call)
    last, reasons = failed[-1], {error.reason for error in failed}
    if last.reason == "request":
        return _wrong(last)
    if last.reason == "too_long":
        return _too_long(call)
    if last.reason == "too_large":
        return BodyTooLarge("request_too_large", "No provider of this model takes a request this large. Shorten it.")
    if reasons <= {"credential", "billing"}:
        return UpstreamFailed(
            "upstream_credentials_exhausted",
            "No provider accepts the gateway's credentials. Nothing was charged; the operator must act.",
            headers=_NO_REPEAT,
        )
    if reasons <= _OF_THE_OPERATOR:
        return UpstreamFailed(
            "upstream_misconfigured",
            f"No provider of '{call.model}' is set up correctly. Nothing was charged; the operator must act.",
            headers=_NO_REPEAT,
        )
    if reasons <= _OF_THE_OPERATOR | _OF_CAPACITY:
        return _at_their_limit(1.0 if reasons & {"busy", "full"} or wait is None else wait)
    if last.reason == "too_slow":
        return _too_slow(call)
    return UpstreamFailed("upstream_error", "No provider could answer. Nothing was charged; try again in a moment.")


def _nobody(call: ChatCall) -> GatewayError:
    return UpstreamFailed(
        "no_provider",
        f"No provider is set up for '{call.route.name}'. Choose another model.",
        status=503,
        headers=_NO_REPEAT,
    )


def _wrong(refused: UpstreamRefused) -> GatewayError:
    if refused.code == CONTENT_CODE:
        return InvalidRequest("content_filter", "The provider's content filter refuses this request. Rephrase it.")
    at = f" at '{refused.param}'" if refused.param else ""
    what = refused.code or refused.status
    return InvalidRequest(
        refused.code or "refused_by_provider",
        f"The model's provider cannot take this request: it is wrong{at} ({what}). Correct it.",
        param=refused.param or None,
    )


def _too_long(call: ChatCall) -> GatewayError:
    """Clients look for "maximum context length", and for the number behind it, to shorten their history."""
    windows = [target.context_window for target in call.route.targets if target.context_window]
    window = max(windows, default=call.route.context_window)
    most = f"This model's maximum context length is {window} tokens" if window else "There is a maximum context length"
    return InvalidRequest(
        "context_length_exceeded",
        f"{most}, and your messages with the longest answer are longer. Shorten them, or begin a new conversation.",
        param="messages",
    )


def _too_slow(call: ChatCall) -> GatewayError:
    what = "began to answer" if call.is_stream else "answered"
    return UpstreamFailed(
        "upstream_timeout", f"No provider {what} in time. Nothing was charged; try again.", status=504
    )


def _at_their_limit(wait: float) -> GatewayError:
    seconds = max(1, ceil(wait))
    unit = "second" if seconds == 1 else "seconds"
    return Unavailable(
        "upstream_rate_limited",
        f"All providers of this model are at their limit. Nothing was charged; try again in {seconds} {unit}.",
        wait=seconds,
        headers=_NO_REPEAT if seconds > LONGEST_REPEAT else {},
    )
