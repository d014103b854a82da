"""Who may do what: the one table that the admin, both APIs, jobs and commands ask. Pure.

A right of a department admin, an instructor or an assistant holds for the rows of their courses; rows of other courses
do not exist for them. A right of a student or a service account holds for what is their own. What the table does not
name is open to nobody. docs/roles.md is made from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Flag, StrEnum, auto
from typing import Any, Final


class Verb(Flag):
    SEE = auto()
    ADD = auto()
    CHANGE = auto()
    DELETE = auto()
    ACT = auto()  # decide, end, cancel: what buttons and actions do to a row


class Position(StrEnum):
    """What somebody is to a course and its rows."""

    OPERATOR = "operator"
    DEPARTMENT_ADMIN = "department_admin"
    INSTRUCTOR = "instructor"
    ASSISTANT = "assistant"
    STUDENT = "student"
    SERVICE = "service"


NOTHING: Final = Verb(0)
SEE, ADD, ACT = Verb.SEE, Verb.ADD, Verb.ACT
EVERYTHING: Final = Verb.SEE | Verb.ADD | Verb.CHANGE | Verb.DELETE | Verb.ACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rights of each position on one kind of thing. The fields are those of `Position`, in its order."""

    operator: Verb = NOTHING
    department_admin: Verb = NOTHING
    instructor: Verb = NOTHING
    assistant: Verb = NOTHING
    student: Verb = NOTHING
    service: Verb = NOTHING

    def of(self, position: Position) -> Verb:
        right: Verb = getattr(self, position.value)
        return right


def course_rows(instructor: Verb, *, assistant: Verb = SEE, student: Verb = NOTHING) -> Rights:
    """Rows of a course: a department admin and an operator may do what an instructor may."""
    return Rights(
        operator=instructor,
        department_admin=instructor,
        instructor=instructor,
        assistant=assistant,
        student=student,
    )


SETTINGS: Final = course_rows(EVERYTHING)
RECORDED: Final = course_rows(SEE)  # the gateway writes them, and nobody changes them
KEPT: Final = course_rows(SEE | ADD | Verb.CHANGE | ACT)  # never deleted: without one, a course refuses every call
DECIDED: Final = course_rows(SEE | ADD | ACT)  # made and ended, but never edited
OWN: Final = Rights(student=SEE | ADD, service=SEE | ADD)
OPERATION: Final = Rights(operator=EVERYTHING)

# By the name of the model, or of what the student API offers.
TABLE: Final[Mapping[str, Rights]] = {
    # Teaching. Only operators delete a course; an admin of its department adds one.
    "Course": Rights(
        operator=EVERYTHING,
        department_admin=SEE | ADD | Verb.CHANGE | ACT,
        instructor=SEE | Verb.CHANGE | ACT,
        assistant=SEE,
    ),
    "Membership": SETTINGS,
    "ApiKey": SETTINGS,
    "QuotaPolicy": KEPT,
    "RoleAllowance": SETTINGS,
    "Rule": SETTINGS,
    "RuleSettings": SETTINGS,
    "CourseModel": SETTINGS,
    "Ceiling": Rights(operator=EVERYTHING, department_admin=SEE, instructor=SEE, assistant=SEE),
    "Boost": DECIDED,
    "Override": DECIDED,
    # Students file them and staff decide them.
    "AllowanceRequest": course_rows(SEE | ACT, student=SEE | ADD),
    "Appeal": course_rows(SEE | Verb.CHANGE | ACT, student=SEE | ADD),
    # What happened
    "Call": RECORDED,
    "ServiceRecord": RECORDED,
    "Thread": RECORDED,
    "WeeklyUsage": RECORDED,
    "LedgerEntry": RECORDED,
    # What staff did in a course. Assistants do not learn who read what.
    "AuditEntry": Rights(operator=SEE, department_admin=SEE, instructor=SEE),
    # Those of a course; their list is for operators. Everybody may also see and cancel their own.
    "Job": course_rows(SEE | ACT),
    # Their own, without regard to courses; operators see and revoke everybody's.
    "StaffKey": course_rows(SEE | ADD | ACT, assistant=SEE | ADD | ACT),
    # Operation
    "User": OPERATION,
    "TokenFamily": Rights(operator=SEE | ACT),
    "Department": OPERATION,
    "Issuer": OPERATION,
    "GroupGrant": OPERATION,
    "Provider": OPERATION,
    "Model": OPERATION,
    "Offer": OPERATION,
    "Deployment": OPERATION,
    "Institution": OPERATION,
    "Service": OPERATION,
    "NotificationChannel": OPERATION,
    "NotificationDelivery": Rights(operator=SEE | ACT),
    "LiveSettings": OPERATION,
    "ProviderEvent": Rights(operator=SEE),
    "Hold": Rights(operator=SEE),
    "DeadLetter": Rights(operator=SEE | Verb.DELETE | ACT),
    # The student API. Members of every role have what students have.
    "chat": OWN,
    "models": Rights(student=SEE, service=SEE),
    "usage": Rights(student=SEE, service=SEE),
}

_NONE: Final = Rights()


def rights(thing: str) -> Rights:
    return TABLE.get(thing, _NONE)


def allows(position: Position, verb: Verb, thing: str) -> bool:
    return bool(rights(thing).of(position) & verb)


def positions(verb: Verb, thing: str) -> frozenset[Position]:
    """Those who may do it."""
    return frozenset(position for position in Position if allows(position, verb, thing))


def works_here(user: Any) -> bool:
    """True for staff who may sign in. What they see depends on their courses."""
    return bool(user.is_active and user.is_staff)


def is_operator(user: Any) -> bool:
    return works_here(user) and bool(user.is_superuser)


def may_own(user: Any, verb: Verb, thing: str) -> bool:
    """Whether a member of staff may do it to their own: whoever signs in may do what assistants may."""
    return works_here(user) and allows(Position.OPERATOR if is_operator(user) else Position.ASSISTANT, verb, thing)


def member_may(role: str, verb: Verb, thing: str) -> bool:
    """Whether the holder of a key may do it to their own. Members of every role have what students have."""
    return allows(Position.SERVICE if role == Position.SERVICE else Position.STUDENT, verb, thing)


def columns() -> Iterator[str]:
    """The names of the positions, as people read them."""
    return (field.name.replace("_", " ") for field in fields(Rights))
