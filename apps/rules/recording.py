"""When a rule has been recording what it finds now, by its versions: not as a draft, nor with another pattern."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MATCHING = ("pattern", "checksum", "direction")  # the fields that decide where a rule is found
MOST_VERSIONS = 500


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which the rule recorded without a break. It lasts if `until` is None."""

    since: datetime
    until: datetime | None

    def ends(self, now: datetime) -> datetime:
        return self.until or now


def stretches_of(rule: Any) -> list[Stretch]:
    """The times in which this rule recorded where it is found now, oldest first."""
    versions = rule.versions.order_by("-number").values_list("at", "fields")[:MOST_VERSIONS]
    return stretches(reversed(versions), same=same_finds(rule))


def same_finds(rule: Any) -> dict[str, str]:
    return {name: getattr(rule, name) for name in MATCHING}


def finds_the_same(fields: Mapping[str, Any], same: Mapping[str, str]) -> bool:
    """True if a version with these fields is found where a rule with the others is."""
    return all(fields.get(name, "") == value for name, value in same.items())


def stretches(versions: Iterable[tuple[datetime, Mapping[str, Any]]], *, same: Mapping[str, str]) -> list[Stretch]:
    """Pure. Versions are given as their instants and fields, oldest first."""
    found: list[Stretch] = []
    since: datetime | None = None
    for at, fields in versions:
        records = fields.get("stage") != "draft" and finds_the_same(fields, same)
        if records and since is None:
            since = at
        elif not records and since is not None:
            found.append(Stretch(since, at))
            since = None
    return [*found, Stretch(since, None)] if since is not None else found


def stage_since(rule: Any) -> datetime | None:
    """When the rule came to its current stage; None if no version tells."""
    versions: Sequence[tuple[datetime, str]] = rule.versions.order_by("-number").values_list("at", "fields__stage")[
        :MOST_VERSIONS
    ]
    since = None
    for at, stage in versions:
        if stage != rule.stage:
            break
        since = at
    return since
