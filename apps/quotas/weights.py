"""Weighted tokens: what a model's tokens count against an allowance. Integers, rounded up once at the end."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

_SCALE = 10_000  # weights have four decimal places


class Tokens(NamedTuple):
    """Token counts of a call. `cached_input` is the part of `input` that the provider read from its cache."""

    input: int = 0
    cached_input: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weight of one token of each kind, in ten-thousandths."""

    input: int = _SCALE
    cached_input: int = _SCALE
    output: int = _SCALE

    @classmethod
    def of(cls, *, input: Decimal, cached_input: Decimal, output: Decimal) -> "Weights":
        return cls(input=int(input * _SCALE), cached_input=int(cached_input * _SCALE), output=int(output * _SCALE))

    def weigh(self, tokens: Tokens) -> int:
        """The weighted tokens of a call, rounded up."""
        return self.weigh_counts(tokens.input, tokens.output, cached_input=tokens.cached_input)

    def weigh_counts(self, input: int, output: int = 0, *, cached_input: int = 0) -> int:
        """The same for counts that belong to no call yet."""
        total = (input - cached_input) * self.input + cached_input * self.cached_input + output * self.output
        return -(-total // _SCALE)

    def affordable_output(self, amount: int) -> int | None:
        """How many output tokens fit into an amount of weighted tokens; None if they weigh nothing."""
        return amount * _SCALE // self.output if self.output else None
