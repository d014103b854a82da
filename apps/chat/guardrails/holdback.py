"""Holding back: a text that is let go only as far as no match can begin in it any more. Pure.

As much is held as the widest of the rules that act on answers can match, counted in characters of the folded copy, and
a few more, by which the next characters may still change how those read. A rule without such a limit holds everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.chat.guardrails import workers
from apps.chat.guardrails.answers import blocking
from apps.rules.cuts import Cut, cuts, moved, redacted
from apps.rules.engine import matcher
from apps.rules.rulebook import MOST_REDACTED, CompiledRule, Hit, Occasion, Rulebook

CONTEXT = 128  # characters that have been let go and are still looked back at: word boundaries, words of mixed scripts
MARGIN = 8  # characters beyond a match by which it may still change: a word boundary, marks over the last letter
_SLACK = 4  # times what is usually held; from there on it is looked at less often, so that padding does not cost more


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """The rules that act on an answer. `width` is None if one of them has no limit."""

    book: Rulebook
    occasion: Occasion
    width: int | None
    call: str = ""

    def hits(self, text: str | matcher.Folded, *, start: int = 0) -> list[Hit]:
        """Raises EngineFailed, unless the course would rather go unchecked."""
        most = [MOST_REDACTED] * len(self.book.rules)
        try:
            found = list(self.book.found(text, occasion=self.occasion, start=start, most=most))
        except matcher.EngineFailed as error:
            if not self.book.lets_pass:
                raise
            workers.let_pass(self.call, error)
            return []
        return [hit for hit in found if hit.rule.acts and hit.rule.action in ("block", "redact")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What may go. `hits` are placed in `text`. With a `block` nothing goes, and the text is the one to be recorded."""

    text: str = ""
    hits: Sequence[Hit] = ()
    block: CompiledRule | None = None


class Channel:
    """One text as it comes, such as the content of one choice."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._context = ""
        self._pieces: list[str] = []
        self.size = 0
        self._due = 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self.size += len(text)

    def release(self, *, final: bool = False) -> Released:
        """What may go now; at the end all of it. Raises EngineFailed, and then nothing has changed."""
        width = self._net.width
        if not self.size or (not final and (width is None or self.size <= max(self._due, width + MARGIN))):
            return Released()
        base = len(self._context)
        window = "".join((self._context, *self._pieces))
        folded = matcher.fold(window)
        horizon = len(window) if final else _horizon(folded, (width or 0) + MARGIN)
        if horizon <= base:
            self._wait(width or 0)
            return Released()
        hits = self._net.hits(folded, start=base)
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
    """The place from which on a match might still begin, as seen in the text and in each of its folded copies."""
    return min(copy.origin(max(0, len(copy.text) - margin)) for copy in folded.copies)


def _released(window: str, base: int, end: int, made: Sequence[Cut], hits: Sequence[Hit]) -> Released:
    cut = [Cut(one.start - base, one.end - base, one.replacement) for one in made]
    shown = [
        Hit(hit.rule, 0, moved(hit.start - base, cut), moved(hit.end - base, cut, is_end=True), "answer")
        for hit in hits
        if hit.end <= end
    ]
    return Released(text=redacted(window[base:end], cut), hits=shown)
