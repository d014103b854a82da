"""Who may call a service. Pure.

A key or token that is narrowed is refused, or finds no service, in the same words whichever services there are.
"""

from apps.accounts.models import Role
from apps.accounts.principals import Principal
from apps.accounts.scopes import ALL, Scopes
from apps.common.errors import InvalidKey, NotAllowed
from apps.services.registry import Entry

_KINDS = {
    Role.STUDENT.value: "student",
    Role.ASSISTANT.value: "staff",
    Role.INSTRUCTOR.value: "staff",
    Role.SERVICE.value: "service",
}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_narrowed(scopes: Scopes, *, method: str) -> None:
    """Raise NotAllowed for a request that a key or token of these scopes may make to no service."""
    if scopes is ALL:
        return
    if not scopes.admits_surface("svc"):
        raise NotAllowed(
            "outside_surfaces", "This key is not for services. Ask your instructor for another key.", fixed_by="you"
        )
    if scopes.reads_only and method not in _READING:
        raise NotAllowed(
            "key_reads_only",
            "This key only reads: GET, HEAD and OPTIONS. Ask your instructor for another key.",
        )


def seen_by(principal: Principal, entry: Entry | None) -> Entry | None:
    """The service, unless it is outside of the scopes of the caller, for whom it does not exist then."""
    return entry if entry is None or principal.scopes.admits_service(entry.name) else None


def refuse_others(entry: Entry, principal: Principal | None) -> None:
    """Raise InvalidKey or NotAllowed unless this caller may call the service."""
    if "anonymous" in entry.callers:
        return
    if principal is None:
        raise InvalidKey
    is_of_course = not entry.courses or principal.course_id in entry.courses
    if not (is_of_course and _KINDS[principal.role] in entry.callers):
        raise NotAllowed(
            "not_a_caller",
            f"The service '{entry.name}' is not open to you. Ask its owner or your operator.",
            fixed_by="operator",
        )
