"""Rules at work on a prompt: the verdict, what is left of the prompt, the refusal, and what the student is told."""

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apps.chat.call import ChatCall
from apps.chat.dialects.openai_chat.text import messages_of, offset
from apps.chat.guardrails import workers
from apps.chat.guardrails.derived import View, views
from apps.chat.guardrails.fields import BESIDE, DIALECTS, Surface
from apps.chat.guardrails.redaction import Redacted, redact
from apps.chat.guardrails.workers import RulesUnavailable
from apps.rules.cuts import moved
from apps.rules.engine.matcher import MAX_SPANS, EngineFailed
from apps.rules.rulebook import MOST_REDACTED, NO_RULES, Hit, Occasion, Rulebook, Verdict
from apps.rules.snapshot import ALL_COURSES

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Screened:
    """A call as it goes on, without what rules have taken out of it; what they say; and the book that says it."""

    call: ChatCall
    verdict: Verdict
    book: Rulebook | None = None


async def screen(call: ChatCall, books: Mapping[int | None, Rulebook | None], *, occasion: Occasion) -> Screened:
    """What the course's rules make of the prompt. Raises RulesUnavailable rather than let anything pass unchecked."""
    course: int | None = call.principal.course_id
    if course not in books:
        course = ALL_COURSES
    if course not in books:
        return Screened(call, NO_RULES)
    book = books[course]
    if book is None:
        raise RulesUnavailable
    if call.size <= workers.THREAD_ABOVE and _finds_nothing(book, call):
        return Screened(call, NO_RULES, book)
    looked = await workers.run(lambda: look(book, call, occasion), book=book, call=call.id, size=call.size)
    return looked if looked is not None else Screened(call, NO_RULES, book)


def _finds_nothing(book: Rulebook, call: ChatCall) -> bool:
    """Whether a glance is enough, as it nearly always is. If not, or if it takes too long, it is to be looked at."""
    surfaces = _surfaces(call)
    texts = [surface.text for surface in surfaces]
    texts += [view.text for view in _views(surfaces, call)]
    try:
        is_short = workers.is_short(texts, rules=len(book.rules))
        return is_short and not any(book.matcher.found(text) for text in texts)
    except EngineFailed:
        return False


def look(book: Rulebook, call: ChatCall, occasion: Occasion) -> Screened:
    """CPU-bound. Raises EngineFailed."""
    surfaces = _surfaces(call)
    hits = _found(book, call, surfaces, occasion)
    if not hits:
        return Screened(call, NO_RULES, book)
    left = redact(call.body, surfaces, hits)
    if left.body is not call.body:
        call = replace(call, body=left.body, messages=messages_of(left.body))
    messages = call.body["messages"]
    recorded = _recorded(hits, surfaces, left, messages)
    return Screened(call, Verdict(recorded, left.stuck, last=len(messages) - 1), book)


def _found(book: Rulebook, call: ChatCall, surfaces: Sequence[Surface], occasion: Occasion) -> list[Hit]:
    """Every hit; its part is the number of its surface."""
    hits = list(book.screen([surface.text for surface in surfaces], occasion=occasion).hits)
    for view in _views(surfaces, call):
        for hit in book.found(view.text, occasion=occasion, most=[MOST_REDACTED] * len(book.rules)):
            hits += [Hit(hit.rule, *place) for place in view.places(hit.start, hit.end)]
    return hits


def _surfaces(call: ChatCall) -> list[Surface]:
    return DIALECTS["/chat/completions"].surfaces(call.body)


def _views(surfaces: Sequence[Surface], call: ChatCall) -> Iterator[View]:
    messages = call.body["messages"]

    def speaker(surface: Surface) -> Hashable:
        """The user over several messages; anybody else message by message."""
        if surface.message == BESIDE or surface.is_fixed or surface.path[2] != "content":
            return None
        role = messages[surface.message]["role"]
        return role if role == "user" else (role, surface.message)

    return views(surfaces, speaker)


def _recorded(
    hits: Sequence[Hit], surfaces: Sequence[Surface], left: Redacted, messages: Sequence[Mapping[str, Any]]
) -> tuple[Hit, ...]:
    """The hits as the record has them: message, and the place in its text. Of a rule those in the latest messages."""
    room: dict[int, int] = {}
    kept: dict[Hit, None] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.part, hit.start)):
        if room.setdefault(hit.rule.id, MAX_SPANS):
            placed = _placed(hit, surfaces[hit.part], left, messages)
            if placed not in kept:
                room[hit.rule.id] -= 1
                kept[placed] = None
    return tuple(sorted(kept, key=lambda hit: (hit.part, hit.start, hit.end)))


def _placed(hit: Hit, surface: Surface, left: Redacted, messages: Sequence[Mapping[str, Any]]) -> Hit:
    """What stands beside the messages counts as the latest; what the text does not show has a place of no length."""
    if surface.message == BESIDE:
        return Hit(hit.rule, len(messages) - 1, 0, 0)
    base = None if surface.is_fixed else offset(messages[surface.message], surface.path[2:])
    if base is None:
        return Hit(hit.rule, surface.message, 0, 0)
    cut = left.cuts.get(hit.part, ())
    return Hit(hit.rule, surface.message, base + moved(hit.start, cut), base + moved(hit.end, cut, is_end=True))
