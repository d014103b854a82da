"""How a component is, and what the components make together. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class Condition(StrEnum):
    """`DEGRADED` components still serve; the overall state is `DOWN` only if an essential component is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a check found, in a sentence for operators.

    `since`: when it began, if the check knows that better than whoever ran it. `figures` are for Prometheus, by the
    names of `gateway_project.observability.figures`; those that belong to a provider follow a colon and its name.
    """

    condition: Condition
    sentence: str
    since: datetime | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentReport:
    """`since`: the moment of the last change of condition, as this process has seen it or as the rows say."""

    name: str
    is_essential: bool
    condition: Condition
    sentence: str
    since: datetime
    checked_at: datetime
    seconds: float
    last_error: str = ""
    last_error_at: datetime | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


def reported(
    name: str, found: Diagnosis, before: ComponentReport | None, *, is_essential: bool, seconds: float, now: datetime
) -> ComponentReport:
    """The next report of a component, which remembers since when it has been like this, and its last error."""
    is_same = before is not None and before.condition == found.condition
    report = ComponentReport(
        name=name,
        is_essential=is_essential,
        condition=found.condition,
        sentence=found.sentence,
        since=found.since or (before.since if is_same and before is not None else now),
        checked_at=now,
        seconds=seconds,
        last_error=before.last_error if before is not None else "",
        last_error_at=before.last_error_at if before is not None else None,
        figures=found.figures,
    )
    if found.condition == Condition.HEALTHY:
        return report
    return replace(report, last_error=found.sentence, last_error_at=now)


def rolled_up(reports: Sequence[ComponentReport]) -> Condition:
    if any(report.is_essential and report.condition == Condition.DOWN for report in reports):
        return Condition.DOWN
    if any(report.condition != Condition.HEALTHY for report in reports):
        return Condition.DEGRADED
    return Condition.HEALTHY


def healthy(sentence: str, **figures: float) -> Diagnosis:
    return Diagnosis(Condition.HEALTHY, sentence, figures=figures)


def degraded(sentence: str, *, since: datetime | None = None, **figures: float) -> Diagnosis:
    return Diagnosis(Condition.DEGRADED, sentence, since, figures)


def down(sentence: str, *, since: datetime | None = None, **figures: float) -> Diagnosis:
    return Diagnosis(Condition.DOWN, sentence, since, figures)
