"""What a narrowed key or token opens of the student API. Most keys have no scopes, and nothing here runs for them.

Models are checked where a model is looked up, because a model outside of the scopes does not exist for the caller.
"""

from apps.accounts.scopes import Scopes, Surface
from apps.common.errors import NotAllowed

# By the first part of the path behind /v1. What is not here is closed to narrowed keys.
SURFACES: dict[str, frozenset[Surface]] = {
    "chat": frozenset({"chat"}),
    "models": frozenset({"chat", "usage"}),
    "usage": frozenset({"usage"}),
    "rules": frozenset({"usage"}),
}


def refuse_outside(scopes: Scopes, *, route: str, method: str) -> None:
    """Raise NotAllowed for a request that the scopes of its key or token do not cover. HEAD counts as GET."""
    part = route.removeprefix("v1/").partition("/")[0]
    opened = SURFACES.get(part, frozenset())
    if scopes.surfaces is not None and not opened & scopes.surfaces:
        raise NotAllowed(
            "outside_surfaces",
            f"This key is for {_named(scopes)}, not for /v1/{part}. Ask your instructor for another key.",
        )
    if scopes.reads_only and method != "GET":
        raise NotAllowed(
            "key_reads_only",
            "This key only reads usage and models, and starts no call. Ask your instructor for another key.",
        )


def assignment_within(scopes: Scopes, named: str) -> str:
    """The assignment that a call carries. Raises NotAllowed if the client names another than that of its key."""
    if not scopes.assignment or named in ("", scopes.assignment):
        return scopes.assignment or named
    raise NotAllowed(
        "outside_assignment",
        f"This key is for the assignment '{scopes.assignment}', not for '{named}'. Leave X-Assignment out, or ask your "
        "instructor for another key.",
        param="x-assignment",
    )


def _named(scopes: Scopes) -> str:
    return ", ".join(sorted(scopes.surfaces or ())) or "nothing"
