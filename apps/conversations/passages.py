"""Calls and their text prepared for reading: rule hits are marked, and invisible characters are made visible.

Pure except for `exchanges`, which queries. A part of a text is HTML where it could be rendered, and marked source
elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import QuerySet
from django.utils.translation import gettext

from apps.accounts.models import Course
from apps.conversations import markdown
from apps.conversations.marks import Found, MarkedText, mark
from apps.conversations.models import Call, CallAttempt, RuleHit, Turn
from apps.conversations.stretches import CALLED, PassageStretch, stretches
from apps.rules.models import Rule

LONGEST = 20_000
RENDERED = 200_000  # characters on one page
# Roles whose text is long and seldom read.
FOLDED = {"system": "Instructions", "developer": "Instructions", "tool": "Result", "function": "Result"}
ARRIVES_WITHIN = timedelta(minutes=1)

STATUS_KINDS: dict[str, str] = {
    Call.Status.ANSWERED: "good",
    Call.Status.LEFT: "info",
    Call.Status.FAILED: "bad",
    Call.Status.INTERRUPTED: "bad",
    Call.Status.BLOCKED: "warning",
    Call.Status.OUT_OF_QUOTA: "warning",
}


@dataclass(frozen=True, slots=True)
class PassagePart:
    """A stretch of a message: rendered, or else its source in pieces. With a label it is folded unless `is_open`."""

    html: str
    pieces: tuple[MarkedText, ...]
    label: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A message of the request, or the answer. `rendered` counts the characters that became HTML."""

    role: str
    is_answer: bool
    parts: tuple[PassagePart, ...]
    left_out: int = 0
    rendered: int = 0


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


def read(call: Call, *, now: datetime, longest: int | None = LONGEST, as_source: bool = False) -> Reading:
    hits = tuple(call.rule_hits.all())
    passages = tuple(_passages(list(call.turns.all()), hits, longest, as_source))
    missing = "" if passages else _why_no_text(call, now=now)
    return Reading(call=call, hits=hits, passages=passages, note=_note(call, hits), missing=missing)


def read_page(calls: Iterable[Call], *, now: datetime, as_source: bool = False) -> list[Reading]:
    """The calls of a page. So much of their text is rendered, and the rest stays source."""
    readings: list[Reading] = []
    left = RENDERED
    for call in calls:
        readings.append(read(call, now=now, as_source=as_source or left <= 0))
        left -= sum(passage.rendered for passage in readings[-1].passages)
    return readings


def _passages(
    turns: Sequence[Turn], hits: Sequence[RuleHit], longest: int | None, as_source: bool
) -> Iterator[Passage]:
    """Joins the turns of a message, as a long answer is stored in several."""
    for (message, role), group in groupby(turns, key=lambda turn: (turn.message, turn.role)):
        text = "".join(turn.text for turn in group)
        shown = text if longest is None else text[:longest]
        found = [(hit.start, hit.end, hit.name) for hit in hits if hit.is_in(message)]
        parts = tuple(_parts(shown, found, FOLDED.get(role, ""), as_source))
        rendered = len(shown) if any(part.html for part in parts) else 0
        yield Passage(role, message is None, parts, left_out=len(text) - len(shown), rendered=rendered)


def _parts(text: str, found: Sequence[Found], label: str, as_source: bool) -> Iterator[PassagePart]:
    """The kinds of text in a message. What rules found is never folded away."""
    for stretch in stretches(text) if len(text) <= markdown.LONGEST else [PassageStretch("", 0, len(text))]:
        start, end = stretch.start, stretch.end
        own = [(max(first, start) - start, min(last, end) - start, name) for first, last, name in found]
        own = [one for one in own if one[0] < one[1]]
        said = text[start:end]
        html = None if as_source or stretch.kind == CALLED else markdown.render(said, own)
        folded = f"{stretch.kind}: {stretch.name}" if stretch.name else stretch.kind or label
        yield PassagePart(html or "", () if html else tuple(mark(said, own)), label=folded, is_open=bool(own))


def _note(call: Call, hits: Sequence[RuleHit]) -> str:
    if call.status == Call.Status.BLOCKED:
        return _refusal(hits)
    return {
        Call.Status.OUT_OF_QUOTA: gettext("Refused: the weekly allowance was used up. Nothing was sent to a provider."),
        Call.Status.FAILED: gettext("No answer: {reason}.").format(
            reason=call.error_code.replace("_", " ") or gettext("the provider failed")
        ),
        Call.Status.LEFT: gettext("The student left before the end. The text is what had arrived by then."),
        Call.Status.INTERRUPTED: gettext("The gateway was interrupted. The end of the answer may be missing."),
    }.get(Call.Status(call.status), "")


def _refusal(hits: Sequence[RuleHit]) -> str:
    """Explains a block of the prompt, or of an answer that was already generated."""
    enforced = [hit for hit in hits if hit.stage == Rule.Stage.ENFORCE]
    blocking = [hit for hit in enforced if hit.action == Rule.Action.BLOCK] or [
        hit for hit in enforced if hit.action == Rule.Action.REDACT
    ]
    what, then = gettext("Refused"), gettext("Nothing was sent to a provider.")
    if of_answer := [hit for hit in blocking if hit.direction == "answer"]:
        what, then, blocking = (
            gettext("The answer was stopped"),
            gettext("It had been generated, so it is charged."),
            of_answer,
        )
    if not blocking:
        return gettext("{what} by a rule. {then}").format(what=what, then=then)
    speaking = max(blocking, key=lambda hit: hit.rule.priority if hit.rule else 0)
    said = (
        gettext(" The student read: “{message}”").format(message=speaking.rule.message)
        if speaking.rule and speaking.rule.message
        else ""
    )
    return gettext("{what} by the rule {name}. {then}{said}").format(
        what=what, name=speaking.name, then=then, said=said
    )


def _why_no_text(call: Call, *, now: datetime) -> str:
    if call.course.logging == Course.Logging.METADATA:
        return gettext("This course keeps no text, only who, when, how much and rule hits.")
    if call.course.logging == Course.Logging.OFF:
        return gettext("This course keeps no text, only what accounting needs.")
    if now - call.started_at < ARRIVES_WITHIN + timedelta(milliseconds=call.duration_ms):
        return gettext("The text has not arrived yet. It follows within seconds: reload this page.")
    return gettext(
        "No text was stored for this call. Either the course kept none at that time, or the request held no text."
    )
