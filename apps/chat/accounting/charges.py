"""Computes what an answer costs, however it ended. Pure.

Usage that the provider reports counts as it is, including explicit zeros. Without it, the charge is our estimate of the
prompt and of the relayed text. If the client left, or got more text after the last report, the larger of the two
counts. A provider that fails before anything reached the student costs nothing, and one that fails later costs our
estimate of the prompt and of the text that reached the student, whatever it reported. An answer that a rule stopped was
generated, and costs as if it had not been stopped.
"""

from dataclasses import dataclass
from typing import Literal

from apps.quotas.weights import Tokens, Weights

Ending = Literal["answered", "left", "failed", "blocked"]
ABSURD = 4  # times the held amount: a higher charge is not believed
BYTES_A_TOKEN = 8  # no text has longer tokens on average; `estimates.Ratios` counts no fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of an answer at its end.

    `was_sent`: a provider had accepted the call, or may have. `is_final`: no text came after the reported usage.
    """

    ending: Ending
    was_sent: bool
    reported: Tokens | None
    input_estimate: int
    relayed_estimate: int
    held: int
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Charge:
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
    if seen.ending in ("answered", "blocked") and (seen.is_final or seen.reported is None):
        return _bounded(seen, weights, seen.reported or estimated, is_estimated=seen.reported is None)
    if seen.ending == "failed" and not seen.relayed_estimate:
        return FREE
    if seen.ending != "failed" and seen.reported and weights.weigh(seen.reported) >= weights.weigh(estimated):
        return _bounded(seen, weights, seen.reported, is_estimated=False)
    return _bounded(seen, weights, estimated, is_estimated=True)


def so_far(
    *, reported: Tokens | None, is_final: bool, input_estimate: int, relayed_estimate: int, weights: Weights
) -> int:
    """The weighted amount to charge if the process died now."""
    possible = [reported] if reported is not None else []
    if not is_final:
        possible.append(Tokens(input=input_estimate, output=relayed_estimate))
    return max(map(weights.weigh, possible))


def most_text(output: int) -> int:
    """The bytes after which an answer of at most `output` tokens is cut off, because more would never be charged."""
    return ABSURD * BYTES_A_TOKEN * output


def _bounded(seen: Seen, weights: Weights, tokens: Tokens, *, is_estimated: bool) -> Charge:
    amount, most = weights.weigh(tokens), seen.held * ABSURD
    return Charge(tokens, min(amount, most), is_estimated=is_estimated or amount > most)
