"""A rule in one sentence, made from its fields: it says what the rule does, not what somebody meant. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, tzinfo
from typing import Any

from apps.common.translation import gettext, ngettext
from apps.common.translation import lazy as _
from apps.rules import examples, words
from apps.rules.checksum_names import NAMES
from apps.rules.differences import DAYS

QUOTED = 70  # characters of what is quoted
LONGEST_PATTERN = 40
RECENT_DAYS = 7
MEMBERS = 3

_STAGES = {
    "draft": _("draft, does nothing yet"),
    "observe": _("only observed"),
    "warn": _("only warns"),
    "enforce": _("enforced"),
}
# What each action does with what students send, with answers, and with both. `it` is what is found; `one` and `many`
# say of a text or of texts that they have it.
_DOES = {
    "block": (
        _("Refuses what students send that {one}"),
        _("Stops answers of the model that {many}"),
        _("Refuses what students send, and stops answers of the model, that {many}"),
    ),
    "redact": (
        _("Replaces {it} in what students send with {by}"),
        _("Replaces {it} in answers of the model with {by}"),
        _("Replaces {it} in what students send and in answers of the model with {by}"),
    ),
    "flag": (
        _("Marks for staff what students send that {one}"),
        _("Marks for staff answers of the model that {many}"),
        _("Marks for staff what students send and answers of the model that {many}"),
    ),
    "guide": (_("Guides the model when a student sends something that {one}"),) * 3,
}
ON_DAYS = (
    _("Mondays"),
    _("Tuesdays"),
    _("Wednesdays"),
    _("Thursdays"),
    _("Fridays"),
    _("Saturdays"),
    _("Sundays"),
)
_DIRECTIONS = ("prompt", "answer", "both")


def sentence(
    rule: Any,
    *,
    since: datetime | None = None,
    now: datetime | None = None,
    zone: tzinfo | None = None,
    with_stage: bool = True,
    with_message: bool = True,
) -> str:
    """What the rule finds and does, what students read, when, and its stage. Ready rules have no stage.

    `since` is when it came to its stage. Instants are told by the clock of `zone`.
    """
    parts = [_does(rule), *(_says(rule) if with_message else ()), *_limits(rule, zone)]
    if with_stage and (stage := getattr(rule, "stage", "")):
        if since and now and stage != "draft":
            parts.append(gettext("{stage} since {day}").format(stage=_STAGES[stage], day=_day(since, now, zone)))
        else:
            parts.append(str(_STAGES[stage]))
    return f"{'; '.join(parts)}."


def _does(rule: Any) -> str:
    template = _DOES[rule.action][_DIRECTIONS.index(rule.direction)]
    one, many, it = _finds(rule)
    return template.format(one=one, many=many, it=it, by=_quoted(rule.replacement))


def _finds(rule: Any) -> tuple[str, str, str]:
    """The words, or else what is checked, or an example, or the pattern: of one text, of several, and by itself."""
    if rule.checksum in NAMES:
        return _contains(NAMES[rule.checksum])
    if found := words.read(rule.pattern.replace(" ", r"\s+")):
        return _contains(_listed(found.phrases, gettext("and") if found.are_together else gettext("or")))
    if example := _example(rule):
        like = f"like {_quoted(example)}"
        return (
            gettext("looks {like}").format(like=like),
            gettext("look {like}").format(like=like),
            gettext("what looks {like}").format(like=like),
        )
    pattern = gettext("the pattern {pattern}").format(
        pattern=rule.pattern if len(rule.pattern) <= LONGEST_PATTERN else rule.pattern[:39] + "…"
    )
    return (
        gettext("matches {pattern}").format(pattern=pattern),
        gettext("match {pattern}").format(pattern=pattern),
        gettext("what matches {pattern}").format(pattern=pattern),
    )


def _contains(it: str) -> tuple[str, str, str]:
    return gettext("contains {it}").format(it=it), gettext("contain {it}").format(it=it), it


def _example(rule: Any) -> str:
    if hasattr(rule, "matches"):  # a ready rule
        return str(rule.matches[0])
    return next((line for _, line in examples.lines(rule.examples_match)), "")


def _listed(phrases: Sequence[str], joint: str) -> str:
    shown = [_quoted(phrase, most=30) for phrase in phrases[:MEMBERS]]
    if more := len(phrases) - len(shown):
        shown.append(ngettext("{more} more phrase", "{more} more phrases", more).format(more=more))
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {joint} {shown[-1]}"


def _says(rule: Any) -> Iterator[str]:
    if rule.action == "guide":
        yield gettext("tells it {guidance}").format(guidance=_quoted(rule.guidance))
    elif rule.message.strip():
        yield gettext("says {message}").format(message=_quoted(rule.message))


def _limits(rule: Any, zone: tzinfo | None) -> Iterator[str]:
    if not hasattr(rule, "schedule"):
        return
    if rule.assignment:
        yield gettext("only for the assignment {assignment}").format(assignment=rule.assignment)
    if weekly := _weekly(rule.weekdays, rule.from_time, rule.until_time):
        yield weekly
    if rule.starts_at:
        yield gettext("from {instant}").format(instant=_instant(rule.starts_at, zone))
    if rule.ends_at:
        yield gettext("until {instant}").format(instant=_instant(rule.ends_at, zone))


def _weekly(weekdays: str, start: time | None, end: time | None) -> str:
    hours = gettext("{start} to {end}").format(start=_hour(start), end=_hour(end)) if start or end else ""
    days = _days(sorted(int(day) for day in weekdays)) if weekdays else ""
    if days:
        return f"{days} {hours}".strip()
    return gettext("daily {hours}").format(hours=hours) if hours else ""


def _days(days: Sequence[int]) -> str:
    names = [str(ON_DAYS[day]) for day in days]
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return gettext("{first} to {last}").format(first=names[0], last=names[-1])
    return (
        names[0]
        if len(names) == 1
        else gettext("{names} and {last}").format(names=", ".join(names[:-1]), last=names[-1])
    )


def _hour(at: time | None) -> str:
    return f"{at.hour}:{at.minute:02}" if at else "0:00"


def _day(at: datetime, now: datetime, zone: tzinfo | None) -> str:
    """A weekday if it was in the last days, else a date."""
    then, today = at.astimezone(zone).date(), now.astimezone(zone).date()
    if then == today:
        return gettext("today")
    if (today - then).days < RECENT_DAYS:
        return gettext(DAYS[then.weekday()])
    return f"{then.day} {then:%b}" if then.year == today.year else f"{then.day} {then:%b %Y}"


def _instant(at: datetime, zone: tzinfo | None) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y} {local:%H:%M}"


def _quoted(text: str, *, most: int = QUOTED) -> str:
    one_line = " ".join(text.split())
    return f"“{one_line if len(one_line) <= most else one_line[: most - 1].rstrip() + '…'}”"
