"""Scopes: what a key or a token may be used for. They only narrow what its holder may do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Surface = Literal["chat", "usage", "staff", "svc"]
SURFACES: Final[tuple[Surface, ...]] = ("chat", "usage", "staff", "svc")
LONGEST_ASSIGNMENT: Final = 60
_CLAIMS: Final = frozenset({"models", "surfaces", "assignment", "reads_only", "services"})


@dataclass(frozen=True, slots=True)
class Scopes:
    """None means everything; an empty set means nothing. An assignment of "" leaves the choice to the client."""

    models: frozenset[str] | None = None
    surfaces: frozenset[str] | None = None
    assignment: str = ""
    reads_only: bool = False
    services: frozenset[str] | None = None

    @property
    def is_everything(self) -> bool:
        names = (self.models, self.surfaces, self.services)
        return names == (None, None, None) and not self.assignment and not self.reads_only

    def admits_model(self, name: str) -> bool:
        return self.models is None or name in self.models

    def admits_service(self, name: str) -> bool:
        return self.services is None or name in self.services

    def admits_surface(self, surface: Surface) -> bool:
        return self.surfaces is None or surface in self.surfaces

    def narrowed(self, other: "Scopes") -> "Scopes":
        """What both admit. Two different assignments admit no surface at all."""
        if other is ALL or self is ALL:
            return self if other is ALL else other
        is_split = bool(self.assignment and other.assignment) and self.assignment != other.assignment
        return Scopes(
            models=_both(self.models, other.models),
            surfaces=frozenset() if is_split else _both(self.surfaces, other.surfaces),
            assignment=self.assignment or other.assignment,
            reads_only=self.reads_only or other.reads_only,
            services=_both(self.services, other.services),
        )

    def to_claim(self) -> dict[str, Any]:
        """For a token: only what narrows, so that {} is everything."""
        claim: dict[str, Any] = {}
        if self.models is not None:
            claim["models"] = sorted(self.models)
        if self.surfaces is not None:
            claim["surfaces"] = sorted(self.surfaces)
        if self.services is not None:
            claim["services"] = sorted(self.services)
        if self.assignment:
            claim["assignment"] = self.assignment
        if self.reads_only:
            claim["reads_only"] = True
        return claim

    @classmethod
    def from_claim(cls, claim: object) -> "Scopes":
        """The scopes of a token. Raises ValueError for any claim that it does not understand in full."""
        if not isinstance(claim, Mapping) or not _CLAIMS.issuperset(claim):
            raise ValueError("unknown scopes")
        surfaces = _names(claim.get("surfaces"))
        assignment, reads_only = claim.get("assignment", ""), claim.get("reads_only", False)
        if surfaces is not None and not surfaces.issubset(SURFACES):
            raise ValueError("unknown surface")
        if not isinstance(assignment, str) or len(assignment) > LONGEST_ASSIGNMENT or not isinstance(reads_only, bool):
            raise ValueError("wrong type of scope")
        services = _names(claim.get("services"))
        scopes = cls(_names(claim.get("models")), surfaces, assignment, reads_only, services)
        return ALL if scopes.is_everything else scopes


ALL: Final = Scopes()  # the only one that admits everything, so that the path of a call compares identities


def stored(*, models: str, surfaces: str, assignment: str, reads_only: bool, services: str = "") -> Scopes:
    """The scopes of a row, where names are separated by white space and an empty text means everything."""
    if not (models or surfaces or assignment or reads_only or services):
        return ALL
    return Scopes(
        models=frozenset(models.split()) if models else None,
        surfaces=frozenset(surfaces.split()) if surfaces else None,
        assignment=assignment,
        reads_only=reads_only,
        services=frozenset(services.split()) if services else None,
    )


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _names(value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, Collection) or isinstance(value, str | bytes | Mapping):
        raise ValueError("a scope is a list of names")
    if not all(isinstance(name, str) for name in value):
        raise ValueError("a scope is a list of names")
    return frozenset(value)
