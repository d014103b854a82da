"""Searches all texts of a request or an answer for rules, and places the hits in the record. Pure."""

from collections.abc import Sequence

from apps.chat.dialects.fields import Field
from apps.chat.guardrails.derived import derived
from apps.chat.guardrails.redaction import Redacted
from apps.rules.cuts import moved
from apps.rules.rulebook import MOST_REDACTED, Hit, Occasion, Rulebook


def hits_in(book: Rulebook, fields: Sequence[Field], occasion: Occasion) -> list[Hit]:
    """Every hit in the fields and in the texts derived from them. Its part is the number of its field.

    CPU-bound. Raises EngineFailed.
    """
    hits = list(book.screen([field.text for field in fields], occasion=occasion).hits)
    for read in derived(fields):
        for hit in book.found(read.text, occasion=occasion, most=[MOST_REDACTED] * len(book.rules)):
            hits += [Hit(hit.rule, *place) for place in read.places(hit.start, hit.end)]
    return hits


def placed(hit: Hit, left: Redacted, *, message: int, base: int | None, direction: str) -> Hit:
    """A hit as it is recorded. `base` is where its field begins in the text. If it is None, the hit has no length."""
    if base is None:
        return Hit(hit.rule, message, 0, 0, direction)
    cut = left.cuts.get(hit.part, ())
    return Hit(hit.rule, message, base + moved(hit.start, cut), base + moved(hit.end, cut, is_end=True), direction)
