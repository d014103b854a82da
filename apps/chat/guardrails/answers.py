"""Examining: what rules make of an answer that is whole, or of a part of one that is. Pure.

An answer has its surfaces like a request: whatever is a string in the message of a choice or beside it. Names that the
protocol or the provider gives are no text, nor are the words repeated in log-probabilities, which are dropped with a
cut.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.chat.dialects.openai_chat.answer import place_of
from apps.chat.dialects.openai_chat.text import Path
from apps.chat.guardrails.derived import views
from apps.chat.guardrails.fields import Surface, is_media, is_read_as_json
from apps.chat.guardrails.redaction import Redacted, redact
from apps.rules.cuts import moved
from apps.rules.rulebook import MOST_REDACTED, CompiledRule, Hit, Occasion, Rulebook

# Not the model's words: they tie an answer together, and are what it was before.
LABELS = frozenset(
    (
        "id",
        "object",
        "model",
        "system_fingerprint",
        "service_tier",
        "role",
        "type",
        "finish_reason",
        "native_finish_reason",
        "provider",
        "tool_call_id",
        "logprobs",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What is left of a value. `block` is the rule that does not let it pass; the value then is good for the record.

    The part of a hit is the position of its choice, and its place the one in the recorded text of this message.
    """

    value: dict[str, Any]
    hits: tuple[Hit, ...] = ()
    block: CompiledRule | None = None


def examine(value: dict[str, Any], book: Rulebook, occasion: Occasion) -> Examined:
    """Look at everything in an answer, or in an event of one. CPU-bound. Raises EngineFailed."""
    surfaces = list(answer_surfaces(value, (), -1))
    hits = list(book.screen([surface.text for surface in surfaces], occasion=occasion).hits)
    for view in views(surfaces, _speaker):
        for hit in book.found(view.text, occasion=occasion, most=[MOST_REDACTED] * len(book.rules)):
            hits += [Hit(hit.rule, *place) for place in view.places(hit.start, hit.end)]
    if not hits:
        return Examined(value=value)
    left = redact(value, surfaces, hits)
    placed = dict.fromkeys(_placed(hit, surfaces[hit.part], left) for hit in hits)
    return Examined(value=_without_logprobs(left, surfaces), hits=tuple(placed), block=blocking(hits, left.stuck))


def blocking(hits: Sequence[Hit], stuck: Sequence[CompiledRule] = ()) -> CompiledRule | None:
    """Of the rules that do not let an answer pass, the one that speaks."""
    found = [hit.rule for hit in hits if hit.rule.acts and hit.rule.action == "block"]
    return max(found or stuck, key=lambda rule: rule.priority, default=None)


def answer_surfaces(value: Any, path: Path, choice: int) -> Iterator[Surface]:
    if isinstance(value, str):
        if value and not is_media(value, path):
            yield Surface(choice, path, value, is_json=is_read_as_json(value, path))
    elif isinstance(value, dict):
        for key, child in value.items():
            if key not in LABELS:
                yield from answer_surfaces(child, (*path, key), choice)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from answer_surfaces(child, (*path, number), number if path == ("choices",) else choice)


def _speaker(surface: Surface) -> Hashable:
    """Parts of the content of one message read as one text."""
    return surface.message if surface.path[3:4] == ("content",) else None


def _placed(hit: Hit, surface: Surface, left: Redacted) -> Hit:
    message = left.body["choices"][surface.message].get(surface.path[2]) if surface.message >= 0 else None
    base = place_of(message, surface.path[3:]) if isinstance(message, dict) else None
    if base is None:
        return Hit(hit.rule, surface.message, 0, 0, "answer")
    cut = left.cuts.get(hit.part, ())
    start, end = moved(hit.start, cut), moved(hit.end, cut, is_end=True)
    return Hit(hit.rule, surface.message, base + start, base + end, "answer")


def _without_logprobs(left: Redacted, surfaces: Sequence[Surface]) -> dict[str, Any]:
    changed = {surfaces[number].message for number in left.cuts}
    if not changed:
        return left.body
    choices = [_silent(choice) if n in changed else choice for n, choice in enumerate(left.body.get("choices") or ())]
    return {**left.body, "choices": choices}


def _silent(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**choice, "logprobs": None} if choice.get("logprobs") else choice
