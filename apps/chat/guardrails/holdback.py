"""Holds a text back as far as a match may still begin in it. Pure.

As much is held as the widest of the acting rules can match, counted in characters of the folded copy, and a few more,
by which later characters may still change how those are read. A rule without a limit holds everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.chat.dialects.fields import Field, Path
from apps.chat.dialects.protocol import Delta
from apps.chat.guardrails.answers import AnswerRules, blocking
from apps.rules.cuts import Cut, cuts, moved, redacted
from apps.rules.engine import matcher
from apps.rules.rulebook import CompiledRule, Hit

CONTEXT = 128  # released characters that still count, for word boundaries and words of mixed scripts
MARGIN = 8  # characters after a match that may still change it: a word boundary, combining marks
TRAIL = 512  # characters kept of text that is checked as it comes, in which a match may have begun
_SLACK = 4  # times what is usually held; beyond it checks are rarer, so that padding does not cost more


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Text that may be sent, with `hits` placed in it. With a `block` nothing is sent: it is for the record."""

    text: str = ""
    hits: Sequence[Hit] = ()
    block: CompiledRule | None = None


class HeldText:
    """One text as it is streamed, such as the content of one choice."""

    def __init__(self, rules: AnswerRules) -> None:
        self._rules = rules
        self._context = ""
        self._pieces: list[str] = []
        self.size = 0
        self._due = 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self.size += len(text)

    def release(self, *, final: bool = False) -> Released:
        """What may be sent now; with `final`, all of it. Raises EngineFailed, and then nothing has changed."""
        width = self._rules.width
        if not self.size or (not final and (width is None or self.size <= max(self._due, width + MARGIN))):
            return Released()
        base = len(self._context)
        window = "".join((self._context, *self._pieces))
        folded = matcher.fold(window)
        horizon = len(window) if final else _horizon(folded, (width or 0) + MARGIN)
        if horizon <= base:
            self._wait(width or 0)
            return Released()
        hits = self._rules.acting_in(folded, start=base)
        block = blocking([hit for hit in hits if hit.start < horizon])
        made = cuts(hit for hit in hits if hit.rule.redacts)
        if block is not None:
            return self._stopped(window, base, made, hits, block)
        end = next((cut.start for cut in made if cut.start < horizon < cut.end), horizon)
        done = [cut for cut in made if cut.end <= end]
        self._keep(window, end)
        self._wait(width or 0)
        return _released(window, base, end, done, hits)

    def _stopped(
        self, window: str, base: int, made: Sequence[Cut], hits: Sequence[Hit], block: CompiledRule
    ) -> Released:
        self._keep(window, len(window))
        released = _released(window, base, len(window), made, hits)
        return Released(text=released.text, hits=released.hits, block=block)

    def _keep(self, window: str, end: int) -> None:
        self._context = window[max(0, end - CONTEXT) : end]
        self._pieces, self.size = [window[end:]], len(window) - end

    def _wait(self, width: int) -> None:
        usual = _SLACK * (width + MARGIN + CONTEXT)
        self._due = self.size + self.size // 2 if self.size > usual else 0


def _horizon(folded: matcher.Folded, margin: int) -> int:
    """The place from which on a match may still begin, in the text and in each of its folded copies."""
    return min(copy.origin(max(0, len(copy.text) - margin)) for copy in folded.copies)


def _released(window: str, base: int, end: int, made: Sequence[Cut], hits: Sequence[Hit]) -> Released:
    cut = [Cut(one.start - base, one.end - base, one.replacement) for one in made]
    shown = [
        Hit(hit.rule, 0, moved(hit.start - base, cut), moved(hit.end - base, cut, is_end=True), "answer")
        for hit in hits
        if hit.end <= end
    ]
    return Released(text=redacted(window[base:end], cut), hits=shown)


class HeldChoice:
    """What waits of one choice: texts that are held back, and pieces of what is sent only when it is complete.

    Texts that rules only take note of are collected as well, but do not hold anything back.
    """

    def __init__(self, rules: AnswerRules) -> None:
        self._rules = rules
        self._texts: dict[str, HeldText] = {}
        self._noted: dict[str, list[str]] = {}
        self._pieces: dict[int, list[Mapping[str, Any]]] = {}
        self._trails: dict[Path, str] = {}
        self._collected = 0

    @property
    def size(self) -> int:
        """The number of characters that are still to be checked."""
        return self._collected + sum(text.size for text in self._texts.values())

    @property
    def is_open(self) -> bool:
        return bool(self._pieces or self._noted) or any(text.size for text in self._texts.values())

    def take(self, delta: Delta) -> Released:
        """What may be sent now that this has come. Raises EngineFailed."""
        if self._rules.notes:
            self._noted.setdefault(delta.channel, []).append(delta.text)
            self._collected += len(delta.text)
        if not self._rules.acts:
            return Released(text=delta.text)
        if delta.channel not in self._texts:
            self._texts[delta.channel] = HeldText(self._rules)
        text = self._texts[delta.channel]
        text.add(delta.text)
        return text.release()

    def gather(self, key: int, piece: Mapping[str, Any]) -> None:
        self._pieces.setdefault(key, []).append(piece)
        self._collected += _length(piece)

    def release(self, channel: str) -> Released:
        """What is left of a text at its end. Raises EngineFailed."""
        return self._texts[channel].release(final=True) if channel in self._texts else Released()

    def pop_noted(self, channel: str) -> str:
        noted = "".join(self._noted.pop(channel, ()))
        self._collected -= len(noted)
        return noted

    def pop_whole(self) -> tuple[int, Sequence[Mapping[str, Any]]] | None:
        """Remove and return the pieces with the lowest key."""
        if not self._pieces:
            return None
        key = min(self._pieces)
        pieces = self._pieces.pop(key)
        self._collected -= _length(pieces)
        return key, pieces

    def crossing(self, field: Field) -> Hit | None:
        """A match that began in an earlier event and ends in this field, which is checked as it comes."""
        before = self._trails.get(field.path, "")
        self._trails[field.path] = (before + field.text)[-TRAIL:]
        found = self._rules.acting_in(before + field.text) if before else []
        return next((hit for hit in found if hit.start < len(before) < hit.end), None)


def _length(value: Any) -> int:
    """The length of all texts within a value."""
    if isinstance(value, dict):
        return sum(map(_length, value.values()))
    return sum(map(_length, value)) if isinstance(value, list) else len(value) if isinstance(value, str) else 0
