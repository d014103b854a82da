"""Calls and their text prepared for reading: rule hits are marked, and invisible characters are made visible.

Pure except for `exchanges`, which queries. Texts stay plain; only templates turn them into markup.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from django.db.models import QuerySet

from apps.accounts.models import Course
from apps.conversations.models import Call, CallAttempt, RuleHit, Turn
from apps.rules.models import Rule

LONGEST = 20_000
ARRIVES_WITHIN = timedelta(minutes=1)

STATUS_KINDS: dict[str, str] = {
    Call.Status.ANSWERED: "good",
    Call.Status.LEFT: "info",
    Call.Status.FAILED: "bad",
    Call.Status.INTERRUPTED: "bad",
    Call.Status.BLOCKED: "warning",
    Call.Status.OUT_OF_QUOTA: "warning",
}

# Invisible characters that change how text looks: control, zero-width, direction, tag and filler characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A run of text. `rules` were found in it; with `is_unseen` the text is the name of an invisible character."""

    text: str
    rules: tuple[str, ...] = ()
    is_unseen: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A message of the request, or the answer."""

    role: str
    is_answer: bool
    pieces: tuple[MarkedText, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """A call with its text. `note` says what happened where the text does not; `missing` says why there is no text."""

    call: Call
    hits: tuple[RuleHit, ...]
    passages: tuple[Passage, ...]
    note: str
    missing: str

    @property
    def status_kind(self) -> str:
        return STATUS_KINDS.get(self.call.status, "")

    @property
    def attempts(self) -> list[CallAttempt]:
        return list(self.call.made_attempts.all())

    @property
    def rule_names(self) -> list[str]:
        return list(dict.fromkeys(hit.name for hit in self.hits))


def exchanges(calls: QuerySet[Call]) -> QuerySet[Call]:
    """The calls with everything that `read` needs, in a fixed number of queries."""
    return calls.select_related("course", "membership__user", "exchange__thread").prefetch_related(
        "turns", "rule_hits__rule", "made_attempts"
    )


def read(call: Call, *, now: datetime, longest: int | None = LONGEST) -> Reading:
    hits = tuple(call.rule_hits.all())
    passages = tuple(_passages(list(call.turns.all()), hits, longest))
    missing = "" if passages else _why_no_text(call, now=now)
    return Reading(call=call, hits=hits, passages=passages, note=_note(call, hits), missing=missing)


def _passages(turns: Sequence[Turn], hits: Sequence[RuleHit], longest: int | None) -> Iterator[Passage]:
    """Joins the turns of a message, as a long answer is stored in several."""
    for (message, role), group in groupby(turns, key=lambda turn: (turn.message, turn.role)):
        text = "".join(turn.text for turn in group)
        shown = text if longest is None else text[:longest]
        found = [(hit.start, hit.end, hit.name) for hit in hits if hit.is_in(message)]
        yield Passage(role, message is None, tuple(mark(shown, found)), left_out=len(text) - len(shown))


def mark(text: str, found: Iterable[tuple[int, int, str]]) -> Iterator[MarkedText]:
    """Split the text at the bounds of matches and at invisible characters."""
    spans = [(max(0, start), min(end, len(text)), name) for start, end, name in found]
    cuts = sorted({0, len(text), *(place for start, end, _ in spans if start < end for place in (start, end))})
    for start, end in pairwise(cuts):
        names = dict.fromkeys(name for first, last, name in spans if first <= start and end <= last)
        yield from _seen(text[start:end], tuple(names))


def _seen(text: str, rules: tuple[str, ...]) -> Iterator[MarkedText]:
    last = 0
    for match in _UNSEEN.finditer(text):
        if match.start() > last:
            yield MarkedText(text[last : match.start()], rules)
        yield MarkedText(f"U+{ord(match.group()):04X}", rules, is_unseen=True)
        last = match.end()
    if last < len(text):
        yield MarkedText(text[last:], rules)


def _note(call: Call, hits: Sequence[RuleHit]) -> str:
    if call.status == Call.Status.BLOCKED:
        return _refusal(hits)
    return {
        Call.Status.OUT_OF_QUOTA: "Refused: the weekly allowance was used up. Nothing was sent to a provider.",
        Call.Status.FAILED: f"No answer: {call.error_code.replace('_', ' ') or 'the provider failed'}.",
        Call.Status.LEFT: "The student left before the end. The text is what had arrived by then.",
        Call.Status.INTERRUPTED: "The gateway was interrupted. The end of the answer may be missing.",
    }.get(Call.Status(call.status), "")


def _refusal(hits: Sequence[RuleHit]) -> str:
    """Explains a block of the prompt, or of an answer that was already generated."""
    enforced = [hit for hit in hits if hit.stage == Rule.Stage.ENFORCE]
    blocking = [hit for hit in enforced if hit.action == Rule.Action.BLOCK] or [
        hit for hit in enforced if hit.action == Rule.Action.REDACT
    ]
    what, then = "Refused", "Nothing was sent to a provider."
    if of_answer := [hit for hit in blocking if hit.direction == "answer"]:
        what, then, blocking = "The answer was stopped", "It had been generated, so it is charged.", of_answer
    if not blocking:
        return f"{what} by a rule. {then}"
    speaking = max(blocking, key=lambda hit: hit.rule.priority if hit.rule else 0)
    said = f" The student read: “{speaking.rule.message}”" if speaking.rule and speaking.rule.message else ""
    return f"{what} by the rule {speaking.name}. {then}{said}"


def _why_no_text(call: Call, *, now: datetime) -> str:
    if call.course.logging == Course.Logging.METADATA:
        return "This course keeps no text, only who, when, how much and rule hits."
    if call.course.logging == Course.Logging.OFF:
        return "This course keeps no text, only what accounting needs."
    if now - call.started_at < ARRIVES_WITHIN + timedelta(milliseconds=call.duration_ms):
        return "The text has not arrived yet. It follows within seconds: reload this page."
    return "No text was stored for this call. Either the course kept none at that time, or the request held no text."
