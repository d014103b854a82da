"""Rules at work on a prompt: the verdict, what is left of the prompt, the refusal, and what the student is told."""

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from apps.chat import appealing, looking
from apps.chat.looking import RulesUnavailable
from apps.chat.parsing import ChatCall
from apps.chat.redaction import Redacted, redact
from apps.chat.surfaces import BESIDE, DIALECTS, Surface
from apps.chat.texts import messages_of, offset
from apps.chat.views import View, views
from apps.common.errors import BlockedByRule
from apps.rules.engine import MAX_SPANS, EngineFailed
from apps.rules.redaction import moved
from apps.rules.rulebook import (
    ALL_COURSES,
    MOST_REDACTED,
    NO_RULES,
    CompiledRule,
    Hit,
    Occasion,
    Rulebook,
    Verdict,
)

logger = logging.getLogger(__name__)

EARLIER = "This was found in an earlier message of the conversation. Start a new conversation."
STUCK = "It contains something that your course does not let out, at a place where it cannot be replaced. Remove it."
MAX_NOTICE = 1500
_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_REFUSING = ("block", "redact")


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
    if call.size <= looking.THREAD_ABOVE and _finds_nothing(book, call):
        return Screened(call, NO_RULES, book)
    looked = await looking.run(lambda: look(book, call, occasion), book=book, call=call.id, size=call.size)
    return looked if looked is not None else Screened(call, NO_RULES, book)


def _finds_nothing(book: Rulebook, call: ChatCall) -> bool:
    """Whether a glance is enough, as it nearly always is. If not, or if it takes too long, it is to be looked at."""
    surfaces = _surfaces(call)
    texts = [surface.text for surface in surfaces]
    texts += [view.text for view in _views(surfaces, call)]
    try:
        is_short = looking.is_short(texts, rules=len(book.rules))
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


def refusal(rule: CompiledRule, verdict: Verdict, *, last: int) -> BlockedByRule:
    """The instructor's sentence. A hit only in earlier messages is explained: clients resend them for ever."""
    message = rule.message or "Your course's rules do not allow this request."
    if rule in verdict.stuck:
        message += f" ({STUCK})"
    if _is_earlier(rule, verdict, last=last):
        message += f" ({EARLIER})"
    return BlockedByRule(
        "content_policy_violation",
        message,
        param="messages",
        headers=headers(verdict) | {"x-should-retry": "false"},
        details={"rules": list(verdict.announced), "appeal": appealing.HOW},
    )


def headers(verdict: Verdict) -> dict[str, str]:
    """Which rules the student is told about, by id, and what they have to say where they did not refuse."""
    rules = verdict.told
    if not rules:
        return {}
    named = {"x-gateway-rules": ",".join(str(rule.id) for rule in rules)}
    notices = [_notice(rule, verdict) for rule in rules if _notices(rule)]
    notice = quote(" | ".join(dict.fromkeys(notices))[:MAX_NOTICE], safe=_SAFE)
    return named | ({"x-gateway-notice": notice} if notice else {})


def _notices(rule: CompiledRule) -> bool:
    """Whether the rule speaks beside an answer: rules that would refuse or have changed something, and flags."""
    if rule.stage == "warn":
        return rule.action in _REFUSING or bool(rule.message)
    return rule.action in ("redact", "flag") and bool(rule.message)


def _notice(rule: CompiledRule, verdict: Verdict) -> str:
    would = "A rule of your course would have" if rule.stage == "warn" else "A rule of your course has"
    done = "refused this request." if rule.action == "block" else "replaced a part of this request."
    message = " ".join(rule.message.split()) or f"{would} {done}"
    return f"{message} ({EARLIER})" if _is_earlier(rule, verdict, last=verdict.last) else message


def _is_earlier(rule: CompiledRule, verdict: Verdict, *, last: int) -> bool:
    return all(hit.part < last for hit in verdict.hits if hit.rule is rule)


def with_guidance(messages: list[dict[str, Any]], guidance: tuple[str, ...]) -> list[dict[str, Any]]:
    """The messages with the guidance as system messages behind the last of the client's own: it has the last word."""
    if not guidance:
        return messages
    own = (n + 1 for n, message in enumerate(messages) if message["role"] in ("system", "developer"))
    place = max(own, default=0)
    added = [{"role": "system", "content": text} for text in guidance]
    return [*messages[:place], *added, *messages[place:]]
