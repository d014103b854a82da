"""The stages of a rule from draft to enforce: what each means, what comes next, and when it is safe to go there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext

from apps.common.translation import lazy as _
from apps.rules.models import Rule, RuleSettings

MUCH = 0.2  # of a week's calls: a rule that is found more often is probably a mistake
ENOUGH_CALLS = 20  # with fewer, nothing can be said about a rule
LOOKS_BACK = timedelta(days=7)

MEANINGS: dict[str, str] = {
    Rule.Stage.DRAFT: _("Does nothing. Nobody notices it, and nothing is recorded."),
    Rule.Stage.OBSERVE: _("Records what it finds. Students notice nothing: read the hits and see whether it errs."),
    Rule.Stage.WARN: _("Records, and gives students a notice. Nothing is refused."),
    Rule.Stage.ENFORCE: _("Acts on every call in which it is found."),
}
# What an enforced rule does, and what it would have done.
ACTS: dict[str, tuple[str, str]] = {
    Rule.Action.BLOCK: (_("refuses"), _("refused")),
    Rule.Action.REDACT: (_("redacts"), _("redacted")),
    Rule.Action.FLAG: (_("flags calls"), _("flagged")),
    Rule.Action.GUIDE: (_("guides answers"), _("guided")),
}


NOTICE = _(
    "The notice is a header of the answer, x-gateway-notice. Most chat clients do not show headers, so most students "
    "will not see it, unless the settings of the course turn on warnings below answers."
)
BELOW = _("Its message is added below answers that are plain text, and is in a header of the answer.")
NO_NOTICE = _("Students see nothing of this rule while it warns, as it refuses nothing and has no message.")


@dataclass(frozen=True, slots=True)
class StageStep:
    """One stage, in relation to the rule's current one."""

    stage: str
    title: str
    meaning: str
    is_current: bool
    is_passed: bool


@dataclass(frozen=True, slots=True)
class HitRate:
    """In how many of how many calls the rule was found."""

    found: int
    calls: int

    @property
    def percent(self) -> int:
        return round(100 * self.found / self.calls) if self.calls else 0

    @property
    def is_little(self) -> bool:
        """True if these are too few calls to judge by."""
        return self.calls < ENOUGH_CALLS

    @property
    def is_much(self) -> bool:
        return self.found > MUCH * self.calls


def steps(rule: Rule) -> list[StageStep]:
    order = list(Rule.Stage)
    at = order.index(Rule.Stage(rule.stage))
    return [
        StageStep(stage.value, stage.name.capitalize(), str(MEANINGS[stage]), number == at, number < at)
        for number, stage in enumerate(order)
    ]


def reach_of_warning(rule: Rule) -> str:
    """What students see of the rule while it warns, in a sentence."""
    refuses = rule.action in (Rule.Action.BLOCK, Rule.Action.REDACT)
    if not refuses and not rule.message:
        return NO_NOTICE
    tells = rule.direction != Rule.Direction.ANSWER and RuleSettings.objects.filter(
        course=rule.course_id, tells_in_answers=True
    )
    return BELOW if tells and tells.exists() else NOTICE


def following(rule: Rule) -> Rule.Stage | None:
    """The next stage; None after the last."""
    order = list(Rule.Stage)
    at = order.index(Rule.Stage(rule.stage))
    return order[at + 1] if at + 1 < len(order) else None


def limits(rule: Rule, *, now: datetime) -> list[str]:
    """Sentences that say what limits the rule: its schedule, if it does not hold now, and its tag.

    For a rule of the institution they tell only dates, as its hours depend on the time zone of each course.
    """
    said = []
    if rule.ends_at is not None and now >= rule.ends_at:
        said.append(
            gettext("Its time was over on {ends_at}: it finds nothing any more.").format(
                ends_at=_words(rule.ends_at, rule)
            )
        )
    elif rule.starts_at is not None and now < rule.starts_at:
        said.append(
            gettext("It holds from {starts_at} on; until then it finds nothing.").format(
                starts_at=_words(rule.starts_at, rule)
            )
        )
    elif rule.course is not None and not rule.schedule.covers(now, timezone=rule.course.timezone):
        said.append(gettext("It rests now: it holds only on its days and in its hours."))
    if rule.assignment:
        said.append(
            gettext("It looks only at calls with the assignment tag {assignment}.").format(assignment=rule.assignment)
        )
    return said


def _words(instant: datetime, rule: Rule) -> str:
    return f"{instant.astimezone(rule.zone):%Y-%m-%d %H:%M}"


def told(rule: Rule) -> str:
    """What the rule does from now on, in a sentence."""
    return {
        Rule.Stage.DRAFT: gettext("{name} is switched off.").format(name=rule.name),
        Rule.Stage.OBSERVE: gettext("{name} now observes. Students notice nothing.").format(name=rule.name),
        Rule.Stage.WARN: gettext("{name} now warns. Nothing is refused.").format(name=rule.name),
        Rule.Stage.ENFORCE: gettext("{name} now {acts}.").format(name=rule.name, acts=ACTS[rule.action][0]),
    }[Rule.Stage(rule.stage)]


def must_be_shown(rule: Rule, stage: str, *, finds_else: bool = False) -> bool:
    """Whether the move would let the rule act, so that people see first what it would have done."""
    return stage == Rule.Stage.ENFORCE and (rule.stage != stage or finds_else)
