"""What a student is told when every attempt failed. Pure."""

from collections.abc import Sequence

from apps.chat.call import ChatCall
from apps.common.errors import GatewayError, InvalidRequest, UpstreamFailed
from apps.providers.adapters.protocol import UpstreamRefused

INTERRUPTED = "upstream_interrupted"


def interrupted() -> GatewayError:
    """The error of an answer that broke off after its first content."""
    return UpstreamFailed(INTERRUPTED, "The provider broke off in the middle of its answer. Ask again.")


def failure_of(call: ChatCall, failed: Sequence[UpstreamRefused]) -> GatewayError:
    """The error of a call whose attempts failed like this, in their order."""
    if not failed:
        return UpstreamFailed(
            "no_provider", f"No provider is set up for '{call.route.name}'. Choose another model.", status=503
        )
    last = failed[-1]
    if last.reason in ("request", "too_long", "too_large", "added"):
        at = f" at '{last.param}'" if last.param else ""
        return InvalidRequest(
            last.code or "refused_by_provider",
            f"The model's provider cannot take this request: it is wrong{at} ({last.code or last.status}). Correct it.",
            param=last.param or None,
        )
    if {error.reason for error in failed} <= {"credential", "billing"}:
        return UpstreamFailed(
            "upstream_credentials_exhausted", "No provider accepts the gateway's credentials; the operator must act."
        )
    if last.reason == "too_slow":
        return UpstreamFailed(
            "upstream_timeout", "No provider began to answer in time. Nothing was charged; try again.", status=504
        )
    return UpstreamFailed("upstream_error", "No provider could answer. Nothing was charged; try again in a moment.")
