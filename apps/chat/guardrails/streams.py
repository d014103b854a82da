"""Guarding: a course's rules at work on an answer, between the meter that reads it and the outlet that hands it on.

A call whose course has no rules for answers has no guard, and its answer is neither delayed nor looked at. Of a
stream, content, refusals and reasoning are held back as far as the rules that act need (`holding`); tool calls go
whole, at the end of their choice, as no client can act on half of one; whatever else is text is looked at as it comes.
Rules that only note what they find hold nothing back: they look at the whole text at the end.
"""

import contextlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import orjson

from apps.chat.call import ChatCall
from apps.chat.dialects.openai_chat.answer import BETWEEN_CHOICES, AnswerText, index_of
from apps.chat.dialects.openai_chat.text import Path
from apps.chat.guardrails import workers
from apps.chat.guardrails.answers import LABELS, Examined, answer_surfaces, examine
from apps.chat.guardrails.holdback import Channel, Net, Released
from apps.chat.guardrails.notices import AnswerBlocked
from apps.common.sse import data_of, joined
from apps.rules.engine import matcher
from apps.rules.engine.matcher import EngineFailed
from apps.rules.rulebook import CompiledRule, Hit, Occasion, Rulebook

logger = logging.getLogger(__name__)

T = TypeVar("T")

FLOWING = ("content", "refusal", "reasoning_content", "reasoning")
_CALLS = ("tool_calls", "function_call")
TRAIL = 512  # characters of what was looked at as it came, in which a match may have begun
_ENDS = re.compile(rb'"finish_reason"\s*:\s*"')
_FRAME = LABELS | {"created"}
_ACTIONS = ("block", "redact")
_Channels = defaultdict[tuple[int, str], Channel]


class _Pieces(list[str]):
    """A text that comes piece by piece, so that its length costs nothing until it is put together."""


def guard_of(call: ChatCall, book: Rulebook | None, *, occasion: Occasion) -> "Guard | None":
    """The guard of a call's answer, if any rule looks at it on this occasion."""
    if book is None or not book.answering:
        return None
    rules = [rule for position in book.answering if occasion.concerns(rule := book.rules[position])]
    return Guard(call, book, occasion, rules) if rules else None


class Guard:
    """One answer under guard: bytes of whole events in, and what may go out. `heard` is what is recorded of it."""

    def __init__(self, call: ChatCall, book: Rulebook, occasion: Occasion, rules: list[CompiledRule]) -> None:
        self._call, self._book, self._occasion = call, book, occasion
        acting = [rule for rule in rules if rule.acts and rule.action in _ACTIONS]
        self._notes = len(acting) < len(rules)
        widths = [matcher.width(rule.pattern) for rule in acting]
        width = None if None in widths else max((w for w in widths if w is not None), default=0)
        self._acts = bool(acting)
        self._net = Net(book=book, occasion=occasion, width=width, call=call.id)
        self._channels: _Channels = defaultdict(lambda: Channel(self._net))
        self._whole: defaultdict[tuple[int, str], list[str]] = defaultdict(list)  # for rules that only take note
        self._calls: defaultdict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
        self._trails: defaultdict[tuple[int, Path], str] = defaultdict(str)
        self._frame: dict[str, Any] = {}
        self._late: list[bytes] = []
        self._found: list[Hit] = []  # by choice, in the text of that choice
        self._is_away = False
        self.heard = AnswerText()

    # For the pump

    async def feed(self, block: bytes) -> bytes:
        """Take whole events; give back what of them may go. Raises AnswerBlocked, RulesUnavailable."""
        ends = _ENDS.search(block) is not None
        return await self._run(partial(self._feed, block), size=len(block) + (self._pending if ends else 0))

    async def end(self) -> bytes:
        """The stream is over: what was still held. Raises AnswerBlocked, RulesUnavailable."""
        return await self._run(self._end, size=self._pending)

    async def whole(self, body: bytes) -> bytes:
        """A plain answer as it may go out. Raises AnswerBlocked, RulesUnavailable."""
        return await self._run(partial(self._examine_whole, body), size=len(body))

    async def give_up(self) -> None:
        """Nothing goes out any more: record what is left, without what rules take out of it."""
        if not self._is_away:
            with contextlib.suppress(workers.RulesUnavailable):  # counted there: it took too long
                await self._run(self._record_all, size=self._pending)

    def hits(self) -> tuple[Hit, ...]:
        """What was found, placed in the recorded text; its part is the position behind the last message."""
        starts, place = {}, 0
        for choice in sorted(self.heard.texts):
            starts[choice] = place
            place += sum(map(len, self.heard.texts[choice])) + len(BETWEEN_CHOICES)
        room = dict.fromkeys((hit.rule.id for hit in self._found), matcher.MAX_SPANS)
        kept = []
        for hit in dict.fromkeys(self._found):
            if room[hit.rule.id]:
                room[hit.rule.id] -= 1
                base = starts.get(hit.part, 0)
                part = len(self._call.messages)
                kept.append(replace(hit, part=part, start=base + hit.start, end=base + hit.end))
        return tuple(kept)

    @property
    def _pending(self) -> int:
        """How much text is still to be looked at."""
        held = sum(channel.size for channel in self._channels.values())
        return held + _length(list(self._whole.values())) + _length(self._calls)

    async def _run(self, work: Callable[[], T], *, size: int) -> T:
        """A course that would rather go unchecked has no deadline here: an answer that was begun is to be ended."""
        try:
            if size <= workers.SHORT:
                return work()
            self._is_away = True  # if nobody hears of the outcome, the thread may still be at work on all this
            done = await workers.in_thread(
                partial(_outcome, work), deadline=None if self._book.lets_pass else workers.deadline_of(size)
            )
            self._is_away = False
            return done()
        except (EngineFailed, TimeoutError) as error:
            raise workers.refused() from error

    # Streams

    def _feed(self, block: bytes) -> bytes:
        out: list[bytes] = []
        for event in block.removesuffix(b"\n\n").split(b"\n\n"):
            data = data_of(event)
            if data is None:
                out.append(event)
            else:
                out += self._event(event, orjson.loads(data))
        return joined(out)

    def _event(self, event: bytes, payload: dict[str, Any]) -> list[bytes]:
        choices = payload.get("choices") or []
        beside = {key: value for key, value in payload.items() if key not in ("choices", "usage")}
        self._frame = {key: beside[key] for key in ("id", "object", "created", "model") if key in beside}
        beside = self._atoms(-1, beside)
        if not choices:
            made = orjson.dumps({**beside, **{key: payload[key] for key in ("choices", "usage") if key in payload}})
            if next(self._open(), None) is None:
                return [b"data: " + made]
            self._late.append(b"data: " + made)
            return []
        before: list[bytes] = []
        kept = [left for choice in choices if (left := self._choice(choice, before)) is not None]
        if kept or payload.get("usage") or not beside.keys() <= _FRAME:
            before.append(_event_of({**payload, **beside, "choices": kept}))
        return before

    def _choice(self, choice: dict[str, Any], before: list[bytes]) -> dict[str, Any] | None:
        """What of a choice goes out with its event, if anything; what is to go before it is added to `before`."""
        index, delta = index_of(choice), choice.get("delta") or {}
        rest = {key: value for key, value in delta.items() if key not in (*FLOWING, *_CALLS)}
        odd = {key: value for key, value in delta.items() if key in FLOWING and not isinstance(value, str | None)}
        made: dict[str, Any] = self._atoms(index, rest | odd)
        given = False
        for key in FLOWING:
            text = delta.get(key)
            if isinstance(text, str) and text:
                given = True
                if released := self._flow(index, key, text):
                    made[key] = released
            elif key in delta and key not in odd:
                made[key] = text
        self._take_calls(index, delta)
        is_end = bool(choice.get("finish_reason"))
        if is_end:
            if any(isinstance(made.get(key), str) and made[key] for key in FLOWING):
                before.append(self._synthetic(index, {key: made.pop(key) for key in FLOWING if made.get(key)}))
            before += self._finish(index)
        others = {key: value for key, value in choice.items() if key not in ("delta", "logprobs")}
        others = {**others, **self._atoms(index, {k: v for k, v in others.items() if k not in ("index",)})}
        if (given or any(key in delta for key in _CALLS)) and not made and not is_end:
            return None
        if "logprobs" in choice:
            others["logprobs"] = None
        return {**others, "delta": made} if "delta" in choice else others

    def _flow(self, index: int, key: str, text: str) -> str:
        if self._notes:
            self._whole[index, key].append(text)
        if not self._acts:
            self.heard.note(index, {key: text})
            return text
        channel = self._channels[index, key]
        channel.add(text)
        return self._released(index, key, channel.release())

    def _released(self, index: int, key: str, released: Released) -> str:
        base = sum(map(len, self.heard.texts[index])) if released.hits else 0
        self._found += [replace(hit, part=index, start=base + hit.start, end=base + hit.end) for hit in released.hits]
        if released.text:
            self.heard.note(index, {key: released.text})
        if released.block is not None:
            raise AnswerBlocked(released.block)
        return released.text

    def _take_calls(self, index: int, delta: dict[str, Any]) -> None:
        for call in delta.get("tool_calls") or ():
            number = call.get("index")
            _add(self._calls[index].setdefault(number if isinstance(number, int) else 0, {}), call)
        if isinstance(function := delta.get("function_call"), dict):
            _add(self._calls[index].setdefault(-1, {}), function)

    def _finish(self, index: int) -> Iterator[bytes]:
        """Everything of a choice that was held, as events of its own."""
        for key in FLOWING:
            if (index, key) in self._channels:
                channel = self._channels[index, key]
                if text := self._released(index, key, channel.release(final=True)):
                    yield self._synthetic(index, {key: text})
            if whole := self._whole.pop((index, key), None):
                self._note(index, "".join(whole))
        calls = self._calls[index]
        while calls:
            number = min(calls)
            yield self._synthetic(index, self._called(index, number, _put_together(calls.pop(number))))

    def _called(self, index: int, number: int, call: dict[str, Any]) -> dict[str, Any]:
        delta = {"function_call": call} if number < 0 else {"tool_calls": [{"index": number, **call}]}
        examined = self._examined({"choices": [{"message": delta}]}, index=index)
        left: dict[str, Any] = examined.value["choices"][0]["message"]
        self.heard.note(index, left)
        if examined.block is not None:
            raise AnswerBlocked(examined.block)
        return left

    def _examined(self, value: dict[str, Any], *, index: int) -> Examined:
        try:
            examined = examine(value, self._book, self._occasion)
        except EngineFailed as error:
            if not self._book.lets_pass:
                raise
            workers.let_pass(self._call.id, error)
            return Examined(value=value)
        base = sum(map(len, self.heard.texts[index])) if examined.hits and index >= 0 else 0
        self._found += [replace(hit, part=index, start=base + hit.start, end=base + hit.end) for hit in examined.hits]
        return examined

    def _atoms(self, index: int, value: dict[str, Any]) -> dict[str, Any]:
        """What is looked at as it comes. A match that began in an earlier event can no longer be taken back."""
        surfaces = list(answer_surfaces(value, (), index))
        if not surfaces:
            return value
        for surface in surfaces:
            before = self._trails[index, surface.path]
            self._check_trail(before, surface.text)
            self._trails[index, surface.path] = (before + surface.text)[-TRAIL:]
        examined = self._examined({"beside": value}, index=index)
        if examined.block is not None:
            raise AnswerBlocked(examined.block)
        made: dict[str, Any] = examined.value["beside"]
        return made

    def _check_trail(self, before: str, text: str) -> None:
        crossing = [hit for hit in self._net.hits(before + text) if hit.start < len(before) < hit.end] if before else []
        if crossing:
            raise AnswerBlocked(crossing[0].rule)

    def _synthetic(self, index: int, delta: dict[str, Any]) -> bytes:
        return _event_of({**self._frame, "choices": [{"index": index, "delta": delta, "finish_reason": None}]})

    def _open(self) -> Iterator[int]:
        """The choices of which something is still held."""
        held = {index for (index, _), channel in self._channels.items() if channel.size}
        calling = {index for index, calls in self._calls.items() if calls}
        yield from sorted(held | calling | {index for index, _ in self._whole})

    def _end(self) -> bytes:
        out = [event for index in list(self._open()) for event in self._finish(index)]
        late, self._late = self._late, []
        return joined([*out, *late])

    def _record_all(self) -> None:
        for index in list(self._open()):
            self._record_rest(index)

    def _record_rest(self, index: int) -> None:
        """As `_finish`, for the record alone: a rule that blocks has nothing to stop any more."""
        try:
            for _ in self._finish(index):
                pass
        except AnswerBlocked:
            self._record_rest(index)
        except Exception:  # whatever it is, the call must still be settled
            logger.exception("What was held of the answer of call %s is not recorded: not checked", self._call.id)

    def _note(self, index: int, text: str) -> None:
        """Let the rules that only take note look at a whole text."""
        most = [matcher.MAX_SPANS] * len(self._book.rules)
        try:
            for hit in self._book.found(text, occasion=self._occasion, most=most):
                if not (hit.rule.acts and hit.rule.action in _ACTIONS):
                    self._found.append(replace(hit, part=index, direction="answer"))
        except EngineFailed:
            logger.error("The answer of call %s was not looked at by rules that only take note", self._call.id)

    # Plain answers

    def _examine_whole(self, body: bytes) -> bytes:
        payload = orjson.loads(body)
        examined = self._examined(payload, index=-1)
        positions = {n: index_of(choice) for n, choice in enumerate(payload["choices"])}
        self._found = [replace(hit, part=positions.get(hit.part, 0)) for hit in examined.hits]
        for choice in examined.value["choices"]:
            self.heard.note(index_of(choice), choice["message"])
        if examined.block is not None:
            raise AnswerBlocked(examined.block)
        return body if examined.value is payload else orjson.dumps(examined.value)


def _outcome(work: Callable[[], T]) -> Callable[[], T]:
    """What work came to, to be had where it is wanted: its result, or that it refuses the answer."""
    try:
        result = work()
    except AnswerBlocked as error:
        return partial(_raise, error)
    return lambda: result


def _raise(error: Exception) -> Any:
    raise error


def _add(held: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Put a piece of a tool call to what there is of it: texts go on, everything else is as it was said last."""
    for key, value in piece.items():
        if isinstance(value, dict):
            if not isinstance(held.get(key), dict):
                held[key] = {}
            _add(held[key], value)
        elif isinstance(value, str) and key in ("name", "arguments", "input"):
            if not isinstance(held.get(key), _Pieces):
                held[key] = _Pieces()
            held[key].append(value)
        elif value is not None or key not in held:
            held[key] = value


def _put_together(held: Any) -> Any:
    """A tool call as it would have come in one piece."""
    if isinstance(held, _Pieces):
        return "".join(held)
    return {key: _put_together(value) for key, value in held.items()} if isinstance(held, dict) else held


def _length(value: Any) -> int:
    """Of all texts within a value."""
    if isinstance(value, dict):
        return sum(map(_length, value.values()))
    return sum(map(_length, value)) if isinstance(value, list) else len(value) if isinstance(value, str) else 0


def _event_of(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(payload)
