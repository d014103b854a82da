"""Applies rules to a prompt: the verdict, and the call without what they take out of it."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.conf import settings
from prometheus_client import Histogram

from apps.chat.call import ChatCall
from apps.chat.dialects.fields import BESIDE, Field
from apps.chat.guardrails import workers
from apps.chat.guardrails.derived import derived
from apps.chat.guardrails.redaction import Redacted, redact
from apps.chat.guardrails.search import hits_in, placed
from apps.chat.guardrails.workers import RulesUnavailable
from apps.common.errors import BodyTooLarge
from apps.rules.engine.matcher import MAX_SPANS, EngineFailed
from apps.rules.rulebook import NO_RULES, Hit, Occasion, Rulebook, Verdict
from apps.rules.snapshot import ALL_COURSES

SECONDS = Histogram(
    "stoa_rule_seconds",
    "Seconds that the rules of a course took to look at a prompt.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)


class Screened(NamedTuple):
    """The call without what rules took out of it, the verdict, and the rulebook that gave it."""

    call: ChatCall
    verdict: Verdict
    book: Rulebook | None = None


async def screen(call: ChatCall, books: Mapping[int | None, Rulebook | None], *, occasion: Occasion) -> Screened:
    """Apply the course's rules to the prompt.

    Raises BodyTooLarge if there is too much to look at, and RulesUnavailable if the rules cannot be checked, unless the
    course prefers going unchecked.
    """
    course: int | None = call.principal.course_id
    if course not in books:
        course = ALL_COURSES
    if course not in books:
        return Screened(call, NO_RULES)
    book = books[course]
    if book is None:
        raise RulesUnavailable
    began = time.perf_counter()
    try:
        return await _screen(call, book, occasion)
    finally:
        SECONDS.observe(time.perf_counter() - began)


async def _screen(call: ChatCall, book: Rulebook, occasion: Occasion) -> Screened:
    is_small = call.size <= workers.THREAD_ABOVE and not call.media_tokens  # images and files may have megabytes
    if is_small and _finds_nothing(book, call):
        return Screened(call, NO_RULES, book)
    size = call.size + call.media_bytes
    looked = await workers.run(lambda: look(book, call, occasion), book=book, call=call.id, size=size)
    return looked if looked is not None else Screened(call, NO_RULES, book)


def _finds_nothing(book: Rulebook, call: ChatCall) -> bool:
    """Whether a quick check on the event loop finds nothing, as it nearly always does. False if it would take long."""
    fields = call.dialect.fields(call.body)
    texts = [field.text for field in fields]
    texts += [read.text for read in derived(fields)]
    try:
        return workers.is_short(texts) and book.matcher.finds_nothing(texts)
    except EngineFailed:
        return False


def look(book: Rulebook, call: ChatCall, occasion: Occasion) -> Screened:
    """Screen the prompt. CPU-bound. Raises EngineFailed, or BodyTooLarge rather than not to look at all of it."""
    most = settings.MAX_REQUEST_SIZE
    fields = call.dialect.fields(call.body, most=most)
    if sum([len(field.text) for field in fields]) > most:
        raise BodyTooLarge(
            "too_much_text",
            f"The course's rules look at all texts, also in files, but at {most:,} characters at most. Send less.",
        )
    hits = hits_in(book, fields, occasion)
    if not hits:
        return Screened(call, NO_RULES, book)
    left = redact(call.body, fields, hits)
    if left.body is not call.body:
        call = call._replace(body=left.body, messages=call.dialect.messages(left.body))
    recorded = _recorded(hits, fields, left, call)
    return Screened(call, Verdict(recorded, left.stuck, last=len(call.messages) - 1), book)


def _recorded(hits: Sequence[Hit], fields: Sequence[Field], left: Redacted, call: ChatCall) -> tuple[Hit, ...]:
    """The hits as they are recorded: message, and place in its text. Of each rule, the latest MAX_SPANS are kept."""
    room: dict[int, int] = {}
    kept: dict[Hit, None] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.part, hit.start)):
        if room.setdefault(hit.rule.id, MAX_SPANS):
            field = fields[hit.part]
            # Fields outside of the messages count as the latest one.
            message = field.message if field.message != BESIDE else len(call.messages) - 1
            base = call.dialect.place(left.body, field)
            found = placed(hit, left, message=message, base=base, direction="prompt")
            if found not in kept:
                room[hit.rule.id] -= 1
                kept[found] = None
    return tuple(sorted(kept, key=lambda hit: (hit.part, hit.start, hit.end)))
