"""Opens an upstream: tries the candidates until one accepts the call."""

import logging
import random
from collections.abc import Mapping

from apps.chat.call import Accepted, ChatCall
from apps.common.errors import GatewayError, InvalidRequest, UpstreamFailed
from apps.providers.adapters.protocol import ELSEWHERE, Adapter, Outgoing, UpstreamRefused
from apps.providers.routing import plan

logger = logging.getLogger(__name__)
_rng = random.Random()  # noqa: S311  # spreads load; it need not be unpredictable


async def open_first(
    call: ChatCall, adapters: Mapping[str, Adapter], *, output: int, guidance: tuple[str, ...]
) -> Accepted:
    """Try the candidates in order. Raises InvalidRequest if the request is at fault, or UpstreamFailed."""
    refused: list[UpstreamRefused] = []
    for candidate in plan(call.route, rng=_rng):
        body = call.dialect.upstream_body(
            call.body,
            model=candidate.target.upstream_model,
            output=output,
            output_cap=candidate.target.output_cap,
            is_stream=call.is_stream,
            guidance=guidance,
        )
        outgoing = Outgoing(
            dialect=call.dialect.name, body=body, is_stream=call.is_stream, request_id=call.id, trace=call.trace
        )
        try:
            upstream = await adapters[candidate.target.adapter].open(candidate, outgoing)
            return Accepted(upstream, candidate, len(refused) + 1)
        except UpstreamRefused as error:
            refused.append(error)
            logger.warning("Call %s: %s refused (%s): %s", call.id, candidate.target.provider, error.reason, error)
            if error.reason not in ELSEWHERE:
                break
    raise _failure(call, refused)


def _failure(call: ChatCall, refused: list[UpstreamRefused]) -> GatewayError:
    if not refused:
        return UpstreamFailed(
            "no_provider", f"No provider is set up for '{call.route.name}'. Choose another model.", status=503
        )
    last = refused[-1]
    if last.reason == "request" and last.status != 404:
        at = f" at '{last.param}'" if last.param else ""
        return InvalidRequest(
            last.code or "refused_by_provider",
            f"The model's provider cannot take this request: it is wrong{at} ({last.code or last.status}). Correct it.",
            param=last.param or None,
        )
    if {error.reason for error in refused} == {"credential"}:
        return UpstreamFailed(
            "upstream_credentials_exhausted", "No provider accepts the gateway's credentials; the operator must act."
        )
    if last.reason == "too_slow":
        return UpstreamFailed(
            "upstream_timeout", "No provider began to answer in time. Nothing was charged; try again.", status=504
        )
    return UpstreamFailed("upstream_error", "No provider could answer. Nothing was charged; try again in a moment.")
