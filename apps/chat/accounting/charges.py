"""Computes what an answer costs, however it ended. Pure.

Usage that the provider reports counts, but for a count that cannot be true, such as a zero beside a text: our estimate
stands in its place. Without a report, the charge is our estimate of the prompt and of the relayed text. If the client
left, or got more text after the last report, the larger of the two counts. A provider that fails before anything
reached the student costs nothing, and one that fails later costs our estimate of the prompt and of the text that
reached the student, whatever it reported. An answer that a rule stopped was generated, and costs as if it had not been
stopped.
"""

from typing import Literal, NamedTuple

from apps.chat.dialects.reports import is_credible, lacks_input, lacks_output
from apps.common.errors import BlockedByRule, GatewayError
from apps.quotas.weights import Tokens, Weights

Ending = Literal["answered", "left", "failed", "blocked"]
ABSURD = 4  # times the held amount: a higher charge is not believed
BYTES_A_TOKEN = 8  # no text has longer tokens on average; `estimates.Ratios` counts no fewer


def ending_of(failure: GatewayError | None, *, is_unread: bool) -> Ending:
    """How an answer ended that this failure ended early, if any. `is_unread`: nobody reads it any more."""
    if failure is None:
        return "answered"
    if isinstance(failure, BlockedByRule):
        return "blocked"
    return "left" if is_unread else "failed"


class Seen(NamedTuple):
    """What is known of an answer at its end.

    `was_sent`: a provider had accepted the call, or may have. `is_final`: no text came after the reported usage.
    `text_bytes`: the size of the text that `relayed_estimate` is an estimate of.
    """

    ending: Ending
    was_sent: bool
    reported: Tokens | None
    input_estimate: int
    relayed_estimate: int
    held: int
    text_bytes: int = 0
    is_final: bool = True


class Charge(NamedTuple):
    """The tokens to record and the weighted amount to charge. `is_free` releases the whole hold."""

    tokens: Tokens
    amount: int
    is_estimated: bool = False
    is_free: bool = False


FREE = Charge(Tokens(), 0, is_free=True)


def charge(seen: Seen, weights: Weights) -> Charge:
    if not seen.was_sent:
        return FREE
    estimated = Tokens(input=seen.input_estimate, output=seen.relayed_estimate)
    reported = _believed(seen.reported, estimated, seen.text_bytes if seen.is_final else 0)
    is_ours = reported is not seen.reported
    if seen.ending in ("answered", "blocked") and (seen.is_final or reported is None):
        return _bounded(seen, weights, reported or estimated, is_estimated=reported is None or is_ours)
    if seen.ending == "failed" and not seen.relayed_estimate:
        return FREE
    if seen.ending != "failed" and reported and weights.weigh(reported) >= weights.weigh(estimated):
        return _bounded(seen, weights, reported, is_estimated=is_ours)
    return _bounded(seen, weights, estimated, is_estimated=True)


def so_far(
    *,
    reported: Tokens | None,
    is_final: bool,
    input_estimate: int,
    relayed_estimate: int,
    text_bytes: int,
    weights: Weights,
) -> int:
    """The weighted amount to charge if the process died now."""
    estimated = Tokens(input=input_estimate, output=relayed_estimate)
    believed = _believed(reported, estimated, text_bytes if is_final else 0)
    possible = [believed] if believed is not None else []
    if not is_final:
        possible.append(estimated)
    return max(map(weights.weigh, possible))


def _believed(reported: Tokens | None, estimated: Tokens, text_bytes: int) -> Tokens | None:
    """The report, with our estimates in the place of counts that cannot be true of a text that it covers."""
    if reported is None or is_credible(reported, text_bytes):
        return reported
    if lacks_input(reported):
        reported = reported._replace(input=estimated.input, cached_input=0)
    if lacks_output(reported, text_bytes):
        reported = reported._replace(output=max(reported.output, estimated.output))
    return reported


def most_text(output: int) -> int:
    """The bytes after which an answer of at most `output` tokens is cut off, because more would never be charged."""
    return ABSURD * BYTES_A_TOKEN * output


def _bounded(seen: Seen, weights: Weights, tokens: Tokens, *, is_estimated: bool) -> Charge:
    amount, most = weights.weigh(tokens), seen.held * ABSURD
    return Charge(tokens, min(amount, most), is_estimated=is_estimated or amount > most)
