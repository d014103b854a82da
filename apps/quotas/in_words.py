"""Amounts in words that a teacher can picture: about so many answers of a model. Pure functions of a usual call."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from django.utils.translation import gettext, ngettext

from apps.common.display import number


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualCall:
    """What a call usually costs in a course, in weighted tokens, at the model that the course asks most."""

    charge: int
    model: str


def usual_call(calls: Sequence[tuple[str, int]]) -> UsualCall | None:
    """From the models and charges of recent calls: the median of the most frequent model. None without any charge."""
    charges: dict[str, list[int]] = {}
    for model, charge in calls:
        if charge > 0:
            charges.setdefault(model, []).append(charge)
    if not charges:
        return None
    model = max(charges, key=lambda name: (len(charges[name]), name))
    return UsualCall(charge=median_low(charges[model]), model=model)


def in_words(tokens: int | None, usual: UsualCall | None) -> str:
    """An amount as answers, such as “about 60 answers of tutor”. Empty if there is no limit, or nothing to go by."""
    if tokens is None or usual is None:
        return ""
    count = max(tokens, 0) // usual.charge
    if count == 0:
        return gettext("less than an answer of {model}").format(model=usual.model)
    return ngettext("about {count} answer of {model}", "about {count} answers of {model}", count).format(
        count=number(_rounded(count)), model=usual.model
    )


def _rounded(count: int) -> int:
    """With two digits that count: 63 stays, 1 274 becomes 1 200. Rounded down, so that nobody is promised too much."""
    step: int = 10 ** max(0, len(str(count)) - 2)
    return count // step * step
