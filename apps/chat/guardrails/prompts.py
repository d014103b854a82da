"""Rules at work on a prompt: the verdict, and the call without what they take out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from apps.chat.call import ChatCall
from apps.chat.dialects.fields import BESIDE, Field
from apps.chat.guardrails import workers
from apps.chat.guardrails.derived import derived
from apps.chat.guardrails.redaction import Redacted, redact
from apps.chat.guardrails.search import hits_in, placed
from apps.chat.guardrails.workers import RulesUnavailable
from apps.rules.engine.matcher import MAX_SPANS, EngineFailed
from apps.rules.rulebook import NO_RULES, Hit, Occasion, Rulebook, Verdict
from apps.rules.snapshot import ALL_COURSES


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
    """Whether a glance is enough, as it nearly always is. If not, or if it would take too long, a thread looks."""
    fields = call.dialect.fields(call.body)
    texts = [field.text for field in fields]
    texts += [read.text for read in derived(fields)]
    try:
        is_short = workers.is_short(texts, rules=len(book.rules))
        return is_short and not any(book.matcher.found(text) for text in texts)
    except EngineFailed:
        return False


def look(book: Rulebook, call: ChatCall, occasion: Occasion) -> Screened:
    """CPU-bound. Raises EngineFailed."""
    fields = call.dialect.fields(call.body)
    hits = hits_in(book, fields, occasion)
    if not hits:
        return Screened(call, NO_RULES, book)
    left = redact(call.body, fields, hits)
    if left.body is not call.body:
        call = replace(call, body=left.body, messages=call.dialect.messages(left.body))
    recorded = _recorded(hits, fields, left, call)
    return Screened(call, Verdict(recorded, left.stuck, last=len(call.messages) - 1), book)


def _recorded(hits: Sequence[Hit], fields: Sequence[Field], left: Redacted, call: ChatCall) -> tuple[Hit, ...]:
    """The hits as the record has them: message, and the place in its text. Of a rule those in the latest messages."""
    room: dict[int, int] = {}
    kept: dict[Hit, None] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.part, hit.start)):
        if room.setdefault(hit.rule.id, MAX_SPANS):
            field = fields[hit.part]
            # What stands beside the messages counts as the latest.
            message = field.message if field.message != BESIDE else len(call.messages) - 1
            base = call.dialect.place(left.body, field)
            found = placed(hit, left, message=message, base=base, direction="prompt")
            if found not in kept:
                room[hit.rule.id] -= 1
                kept[found] = None
    return tuple(sorted(kept, key=lambda hit: (hit.part, hit.start, hit.end)))
