"""Applies a course's rules to an answer, between the reader of its bytes and the delivery to the client.

If a course has no rules for answers there is no guard: the answer is neither delayed nor checked. The texts of a stream
are held back as far as acting rules need (`holdback`). What no client can use in part, such as a tool call, is sent
whole at the end of its choice. All other text is checked as it comes. Rules that only take note hold nothing back: they
check the whole text at the end.
"""

import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from apps.chat.call import ChatCall
from apps.chat.dialects.protocol import AnswerEvent, Delta, EventPart
from apps.chat.dialects.recorded import RecordedText
from apps.chat.guardrails import workers
from apps.chat.guardrails.answers import AnswerRules, Examined
from apps.chat.guardrails.findings import Findings
from apps.chat.guardrails.holdback import HeldChoice, Released
from apps.chat.guardrails.notices import AnswerBlocked
from apps.common.lenient_json import dumps, loads_exactly
from apps.common.sse import joined
from apps.rules.engine.matcher import EngineFailed
from apps.rules.rulebook import Hit, Occasion, Rulebook

logger = logging.getLogger(__name__)

T = TypeVar("T")


def guard_of(call: ChatCall, book: Rulebook | None, *, occasion: Occasion) -> "Guard | None":
    """The guard of a call's answer. None if no rule applies to it on this occasion."""
    if book is None or not book.answering:
        return None
    rules = AnswerRules.of(call, book, occasion)
    return Guard(call, rules) if rules is not None else None


class Guard:
    """Guards one answer: takes the bytes of whole events, and returns what may be sent."""

    def __init__(self, call: ChatCall, rules: AnswerRules) -> None:
        self._call, self._rules = call, rules
        self._dialect = call.dialect
        self._editor = call.dialect.stream_editor()
        self._held: defaultdict[int, HeldChoice] = defaultdict(lambda: HeldChoice(rules))
        self._late: list[bytes] = []  # events that wait for the text before them
        self._findings = Findings(call.dialect)
        self._is_away = False

    # For the pump

    @property
    def recorded(self) -> RecordedText:
        """The answer without what rules take out of it."""
        return self._findings.recorded

    async def feed(self, block: bytes) -> bytes:
        """Take whole events, and return what of them may be sent. Raises AnswerBlocked or RulesUnavailable."""
        pending = self._pending if self._editor.may_end(block) else 0
        return await self._run(partial(self._feed, block), size=len(block) + pending)

    async def end(self) -> bytes:
        """The stream has ended: return what was still held. Raises AnswerBlocked or RulesUnavailable."""
        if self._is_away:
            return b""
        return await self._run(self._end, size=self._pending)

    async def whole(self, body: bytes) -> bytes:
        """A plain answer as it may be sent. Raises AnswerBlocked or RulesUnavailable."""
        return await self._run(partial(self._whole, body), size=len(body))

    async def give_up(self) -> None:
        """Nothing more is sent: record what is left, without what rules take out of it."""
        if not self._is_away:
            with contextlib.suppress(workers.RulesUnavailable):  # it took too long, and was counted
                await self._run(self._record_all, size=self._pending)

    def hits(self) -> tuple[Hit, ...]:
        """All hits, placed in the recorded text. Their part is the position after the last message."""
        return self._findings.hits(part=len(self._call.messages))

    @property
    def _pending(self) -> int:
        """The number of characters that are still to be checked."""
        return sum(held.size for held in self._held.values())

    async def _run(self, work: Callable[[], T], *, size: int) -> T:
        """No deadline if the course prefers going unchecked: an answer that has begun must come to its end."""
        try:
            if size <= workers.SHORT:
                return work()
            self._is_away = True  # after a timeout the thread may still work on all this
            deadline = None if self._rules.book.lets_pass else workers.deadline_of(size)
            done = await workers.in_thread(partial(_outcome, work), deadline=deadline)
            self._is_away = False
            return done()
        except (EngineFailed, TimeoutError) as error:
            raise workers.refused() from error

    # Streams

    def _feed(self, block: bytes) -> bytes:
        out: list[bytes] = []
        for raw in block.removesuffix(b"\n\n").split(b"\n\n"):
            event = self._editor.taken(raw)
            out += [raw] if event is None else self._event(event)
        return joined(out)

    def _event(self, event: AnswerEvent) -> list[bytes]:
        before: list[bytes] = []
        left = [self._part(part, before) for part in event.parts]
        made = event.rebuilt(left)
        if made is None:
            return before
        if event.waits and any(held.is_open for held in self._held.values()):
            self._late.append(made)
            return before
        return [*before, made]

    def _part(self, part: EventPart, before: list[bytes]) -> EventPart:
        """What of a part is sent with its event. What is sent before that is added to `before`."""
        if not (part.deltas or part.pieces or part.rest or part.is_end):
            return part
        held = self._held[part.choice]
        taken = [delta._replace(text=self._released(delta, held.take(delta))) for delta in part.deltas]
        released = [delta for delta in taken if delta.text]
        for key, piece in part.pieces:
            held.gather(key, piece)
        if part.is_end:
            if released:
                texts = {delta.channel: delta.text for delta in released}
                before.append(self._editor.text_event(part.choice, texts))
            before += self._finish(part.choice)
            released = []
        rest = self._looked_at(part) if part.rest else part.rest
        return EventPart(part.choice, released, rest=rest, is_end=part.is_end)

    def _released(self, delta: Delta, released: Released) -> str:
        self._findings.add_released(delta, released)
        if released.block is not None:
            raise AnswerBlocked(released.block)
        return released.text

    def _looked_at(self, part: EventPart) -> Any:
        """Check the rest of a part. A match that began in an earlier event blocks, since its beginning was sent."""
        fields = self._dialect.answer_fields(part.rest)
        if not fields:
            return part.rest
        for field in fields:
            if (hit := self._held[part.choice].crossing(field)) is not None:
                raise AnswerBlocked(hit.rule)
        examined = self._rules.examine(dict(part.rest), fields)
        self._findings.add_rest(part.choice, examined)
        return _passed(examined)

    def _finish(self, choice: int) -> Iterator[bytes]:
        """Everything of a choice that was held, as separate events."""
        held = self._held[choice]
        for channel in self._editor.channels:
            if text := self._released(Delta(choice, channel, ""), held.release(channel)):
                yield self._editor.text_event(choice, {channel: text})
            if noted := held.pop_noted(channel):
                self._findings.add_notes(choice, self._rules.notes_in(noted))
        while (gathered := held.pop_whole()) is not None:
            examined = self._examined(self._editor.whole(choice, *gathered))
            self._findings.add_whole(choice, examined)
            yield self._editor.whole_event(_passed(examined))

    def _end(self) -> bytes:
        out = [event for choice in self._open() for event in self._finish(choice)]
        late, self._late = self._late, []
        return joined([*out, *late])

    def _open(self) -> list[int]:
        return sorted(choice for choice, held in self._held.items() if held.is_open)

    def _record_all(self) -> None:
        """Like `_end`, but for the record only: a rule that blocks has nothing left to stop."""
        for choice in self._open():
            while self._held[choice].is_open:
                try:
                    for _ in self._finish(choice):
                        pass
                except AnswerBlocked:
                    continue
                except Exception:  # the call must be settled in any case
                    logger.exception("What was held of call %s is not recorded, as it was not checked", self._call.id)
                    break

    def _examined(self, answer: dict[str, Any]) -> Examined:
        return self._rules.examine(answer, self._dialect.answer_fields(answer))

    # Plain answers

    def _whole(self, body: bytes) -> bytes:
        answer = loads_exactly(body)
        examined = self._examined(answer)
        self._findings.add_answer(examined)
        made = _passed(examined)
        return body if made is answer else dumps(made)


def _passed(examined: Examined) -> dict[str, Any]:
    if examined.block is not None:
        raise AnswerBlocked(examined.block)
    return examined.value


def _outcome(work: Callable[[], T]) -> Callable[[], T]:
    """Do the work, and return a function that gives its result or raises AnswerBlocked where it is called."""
    try:
        result = work()
    except AnswerBlocked as error:
        return partial(_raise, error)
    return lambda: result


def _raise(error: Exception) -> Any:
    raise error
