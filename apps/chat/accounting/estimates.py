"""Estimates what a call may cost, in weighted tokens."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from apps.chat.accounting.charges import BYTES_A_TOKEN
from apps.chat.call import ChatCall
from apps.quotas.weights import Weights


class Ratios:
    """Tokens per byte of request, learned for each model from what providers report."""

    START = 1 / 3
    _SHARE = 0.05
    _LOWEST = 1 / BYTES_A_TOKEN  # a provider that counts fewer tokens must not make a model cheap
    _HIGHEST = 1.0

    def __init__(self) -> None:
        self._by_model: dict[str, float] = {}

    def estimate(self, model: str, size: int) -> int:
        """The likely number of tokens in `size` bytes, rounded up."""
        return int(size * self._by_model.get(model, self.START)) + 1

    def learn(self, model: str, *, size: int, tokens: int) -> None:
        seen = min(self._HIGHEST, max(self._LOWEST, tokens / max(size, 1)))
        known = self._by_model.get(model, self.START)
        self._by_model[model] = known + self._SHARE * (seen - known)


def text_bytes(size: int, guidance: Iterable[str]) -> int:
    """The bytes that count as text: those of the request, and of the guidance that rules add."""
    return size + sum(map(len, map(str.encode, guidance)))


def weights_of(call: ChatCall) -> Weights:
    route = call.route
    return _weights(route.input_weight, route.cached_input_weight, route.output_weight)


@lru_cache(maxsize=256)
def _weights(input: int, cached_input: int, output: int) -> Weights:
    return Weights(input=input, cached_input=cached_input, output=output)


class Estimate(NamedTuple):
    """What a call may cost: token counts, and weighted amounts.

    `amount` is held if it fits, `least` is the smallest hold that will do, and `floor` is the cost of the input alone.
    """

    input: int
    output: int
    amount: int
    least: int
    floor: int

    @classmethod
    def of(
        cls, call: ChatCall, *, input: int, default_output: int, least_output: int, most_output: int | None = None
    ) -> "Estimate":
        """`input` is the likely prompt in tokens; a quarter is added, since estimates err.

        The client, the course (`most_output`) and the model limit the output. Where a provider gets no cap unless the
        client names one, only the model's own limit bounds the answer.
        """
        weights = weights_of(call)
        unnamed = call.route.max_output_tokens if call.route.may_be_uncapped else default_output
        output = min(call.max_output or unnamed, call.route.max_output_tokens)
        output = output if most_output is None else min(output, most_output)
        held = input + input // 4
        return cls(
            input=held,
            output=output,
            amount=weights.weigh_counts(held, output * call.choices),
            least=weights.weigh_counts(held, min(output, least_output) * call.choices),
            floor=weights.weigh_counts(input),
        )

    def output_within(self, amount: int, call: ChatCall) -> int:
        """The output tokens that the held amount pays for, per choice."""
        weights = weights_of(call)
        affordable = weights.affordable_output(amount - weights.weigh_counts(self.input))
        return self.output if affordable is None else max(1, min(self.output, affordable // call.choices))
