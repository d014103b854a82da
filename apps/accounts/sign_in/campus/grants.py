"""From groups to roles: what grants give to somebody in these groups. By default nothing. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

RANKS = {"": 0, "student": 1, "assistant": 2, "instructor": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRole:
    """One row of the table: `role` in `course`, or admin of `department`, or operator."""

    group: str
    course: int | None = None
    role: str = ""
    department: int | None = None
    is_operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the groups of one issuer give: roles by course, departments, and whether the rights of an operator."""

    roles: Mapping[int, str] = field(default_factory=dict)
    departments: frozenset[int] = frozenset()
    is_operator: bool = False

    @property
    def is_nothing(self) -> bool:
        return not (self.roles or self.departments or self.is_operator)


def wanted(names: Iterable[str], grants: Iterable[GroupRole]) -> Wanted:
    """Groups are compared exactly. Of several roles in a course the highest counts."""
    held = frozenset(names)
    given = [grant for grant in grants if grant.group in held]
    roles: dict[int, str] = {}
    for grant in given:
        if grant.course is not None:
            roles[grant.course] = highest(roles.get(grant.course, ""), grant.role)
    return Wanted(
        roles=roles,
        departments=frozenset(grant.department for grant in given if grant.department is not None),
        is_operator=any(grant.is_operator for grant in given),
    )


def highest(*roles: str) -> str:
    return max(roles, key=lambda role: RANKS[role])
