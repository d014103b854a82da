"""The stages of a rule from draft to enforce: what each means, what comes next, and what was found on the way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.accounts.models import Course
from apps.common.ids import first_id
from apps.rules.models import Rule

ASKS_ABOVE = 0.2  # of a week's calls: a blocking rule that is found more often is probably a mistake
FEW_CALLS = 10  # too few to judge a rule by
LOOKS_BACK = timedelta(days=7)
MATCHING = ("pattern", "checksum", "direction")  # the fields that decide where a rule is found

MEANINGS: dict[str, str] = {
    Rule.Stage.DRAFT: "Does nothing. Nobody notices it, and nothing is recorded.",
    Rule.Stage.OBSERVE: "Records what it finds. Students notice nothing: read the hits and see whether it errs.",
    Rule.Stage.WARN: "Records, and gives students a notice beside the answer. Nothing is refused yet.",
    Rule.Stage.ENFORCE: "Acts on every call in which it is found.",
}


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
    def is_much(self) -> bool:
        return self.calls >= FEW_CALLS and self.found > ASKS_ABOVE * self.calls


def steps(rule: Rule) -> list[StageStep]:
    order = list(Rule.Stage)
    at = order.index(Rule.Stage(rule.stage))
    return [
        StageStep(stage.value, stage.name.capitalize(), MEANINGS[stage], number == at, number < at)
        for number, stage in enumerate(order)
    ]


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
        said.append(f"Its time was over on {_words(rule.ends_at, rule)}: it finds nothing any more.")
    elif rule.starts_at is not None and now < rule.starts_at:
        said.append(f"It holds from {_words(rule.starts_at, rule)} on; until then it finds nothing.")
    elif rule.course is not None and not rule.schedule.covers(now, timezone=rule.course.timezone):
        said.append("It rests now: it holds only on its days and in its hours.")
    if rule.assignment:
        said.append(f"It looks only at calls with the assignment tag {rule.assignment}.")
    return said


def _words(instant: datetime, rule: Rule) -> str:
    return f"{instant.astimezone(rule.zone):%Y-%m-%d %H:%M}"


def hits_in_this_stage(rule: Any) -> int:
    """How often the rule was found in its current stage."""
    before = rule.versions.exclude(fields__stage=rule.stage).order_by("-number").values_list("number", flat=True)
    return int(rule.hits.filter(version__gt=before.first() or 0).count())


def recent_rate(rule: Any, *, now: datetime) -> HitRate:
    """In how many of the last week's calls the rule was found, only since it last changed what it finds."""
    before, began = _finding_else(rule)
    since = first_id(max(now - LOOKS_BACK, began or now - LOOKS_BACK))
    courses = Course.objects.all() if rule.course_id is None else Course.objects.filter(pk=rule.course_id)
    found = rule.hits.filter(call__gte=since, version__gt=before).values("call").distinct().count()
    return HitRate(found=found, calls=courses.filter(calls__pk__gte=since).count())


def _finding_else(rule: Any) -> tuple[int, datetime | None]:
    """The last version that looked for something else, and when the next one was made; 0 and None if there is none."""
    same = {f"fields__{name}": getattr(rule, name) for name in MATCHING}
    last = rule.versions.exclude(**same).order_by("-number").first()
    if last is None:
        return 0, None
    following = rule.versions.filter(number=last.number + 1).first()
    return last.number, following and following.at


def needs_confirmation(rule: Rule, stage: str, *, now: datetime) -> HitRate | None:
    """How often the rule was found, if it would block too much in this stage; else None."""
    if stage != Rule.Stage.ENFORCE or rule.action != Rule.Action.BLOCK or rule.stage == stage:
        return None
    rate = recent_rate(rule, now=now)
    return rate if rate.is_much else None
