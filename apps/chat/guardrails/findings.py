"""Records an answer under guard, and places what rules found in the recorded text."""

from collections.abc import Iterable
from dataclasses import replace

from apps.chat.dialects.protocol import Delta, Dialect
from apps.chat.dialects.recorded import RecordedText
from apps.chat.guardrails.answers import Examined
from apps.chat.guardrails.holdback import Released
from apps.rules.engine import matcher
from apps.rules.rulebook import Hit


class Findings:
    """Grows with what is released. In the end it has all of the answer except what rules took out."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._hits: list[Hit] = []  # by choice, in the text of that choice
        self.recorded = RecordedText()

    def add_released(self, delta: Delta, released: Released) -> None:
        self._add_hits(delta.choice, released.hits, base=self.recorded.length(delta.choice) if released.hits else 0)
        if released.text:
            self._dialect.record(delta._replace(text=released.text), self.recorded)

    def add_whole(self, choice: int, examined: Examined) -> None:
        """Add something that is sent whole within a stream."""
        self.add_rest(choice, examined)
        self._dialect.record_answer(examined.value, self.recorded)

    def add_rest(self, choice: int, examined: Examined) -> None:
        """Add only the hits, since the rest of an event is not recorded."""
        base = self.recorded.length(choice) if examined.hits else 0
        self._add_hits(choice, examined.hits, base=base)

    def add_answer(self, examined: Examined) -> None:
        """Add a plain answer."""
        self._hits += [replace(hit, part=max(0, hit.part)) for hit in examined.hits]
        self._dialect.record_answer(examined.value, self.recorded)

    def add_notes(self, choice: int, hits: Iterable[Hit]) -> None:
        self._hits += [replace(hit, part=choice, direction="answer") for hit in hits]

    def _add_hits(self, choice: int, hits: Iterable[Hit], *, base: int) -> None:
        self._hits += [replace(hit, part=choice, start=base + hit.start, end=base + hit.end) for hit in hits]

    def hits(self, *, part: int) -> tuple[Hit, ...]:
        """All hits, placed in the whole recorded text, which is this part of the conversation."""
        starts = self.recorded.starts()
        room = dict.fromkeys((hit.rule.id for hit in self._hits), matcher.MAX_SPANS)
        kept = []
        for hit in dict.fromkeys(self._hits):
            if room[hit.rule.id]:
                room[hit.rule.id] -= 1
                base = starts.get(hit.part, 0)
                kept.append(replace(hit, part=part, start=base + hit.start, end=base + hit.end))
        return tuple(kept)
