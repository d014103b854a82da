"""The rows that a valid file describes, except people and members, which are in `people.py`. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway_project.apply import kinds
from gateway_project.apply.kinds import Kind
from gateway_project.apply.mistakes import Path
from gateway_project.apply.schema import (
    CourseSection,
    File,
    InstitutionSection,
    IssuerSection,
    ModelSection,
    ProviderSection,
)
from gateway_project.apply.section import FileSection

WEIGHTS = ("input_weight", "cached_input_weight", "output_weight")


@dataclass(frozen=True)
class Row:
    """One row as the file describes it. Columns that are not in `values` keep their stored value."""

    kind: Kind
    key: Mapping[str, Any]
    values: Mapping[str, Any]
    path: Path
    secret_env: str | None = None


@dataclass(frozen=True)
class Listed:
    """A list that the file gives in full, so that pruning may remove what it omits."""

    kind: Kind
    within: Mapping[str, Any]


def rows(file: File) -> Iterator[Row]:
    """All rows except people and members, each after those it refers to."""
    if file.institution is not None:
        values = given(kinds.INSTITUTION, file.institution)
        yield Row(kinds.INSTITUTION, {"id": 1}, values, ("institution",))
        yield from _rules(kinds.INSTITUTION_RULE, {"course": None}, file.institution, ("institution",))
    for position, provider in enumerate(file.providers or ()):
        yield from _provider(provider, ("providers", position))
    for position, model in enumerate(file.models or ()):
        yield from _model(model, ("models", position))
    for position, department in enumerate(file.departments or ()):
        values = given(kinds.DEPARTMENT, department)
        yield Row(kinds.DEPARTMENT, {"slug": department.slug}, values, ("departments", position))
    slugs = {course.slug for course in file.courses or ()}
    yield from (offer for offer in _offers(file) if offer.key["course__slug"] not in slugs)
    for position, course in enumerate(file.courses or ()):
        offers = [offer for offer in _offers(file) if offer.key["course__slug"] == course.slug]
        yield from _course(course, ("courses", position), offers)
    for position, issuer in enumerate(file.issuers or ()):
        yield from _issuer(issuer, ("issuers", position))


def _provider(provider: ProviderSection, path: Path) -> Iterator[Row]:
    yield Row(kinds.PROVIDER, {"name": provider.name}, given(kinds.PROVIDER, provider), path)
    for position, credential in enumerate(provider.credentials or ()):
        key = {"provider__name": provider.name, "label": credential.label}
        values = given(kinds.CREDENTIAL, credential)
        yield Row(kinds.CREDENTIAL, key, values, (*path, "credentials", position), credential.secret_env)


def _model(model: ModelSection, path: Path) -> Iterator[Row]:
    weights = dict.fromkeys(WEIGHTS, model.token_weight) if "token_weight" in model.model_fields_set else {}
    yield Row(kinds.MODEL, {"name": model.name}, {**weights, **given(kinds.MODEL, model)}, path)
    for position, deployment in enumerate(model.deployments or ()):
        key = {
            "model__name": model.name,
            "provider__name": deployment.provider,
            "upstream_model": deployment.upstream_model,
        }
        yield Row(kinds.DEPLOYMENT, key, given(kinds.DEPLOYMENT, deployment), (*path, "deployments", position))


def _offers(file: File) -> Iterator[Row]:
    for number, model in enumerate(file.models or ()):
        for position, slug in enumerate(model.courses or ()):
            key = {"model__name": model.name, "course__slug": slug}
            yield Row(kinds.OFFER, key, {}, ("models", number, "courses", position))


def _course(course: CourseSection, path: Path, offers: Iterable[Row]) -> Iterator[Row]:
    """The offers of models come before the models that the course allows."""
    within = {"course__slug": course.slug}
    belongs = {"department__slug": course.department} if "department" in course.model_fields_set else {}
    yield Row(kinds.COURSE, {"slug": course.slug}, {**given(kinds.COURSE, course), **belongs}, path)
    yield from offers
    if ceiling := given(kinds.CEILING, course):
        yield Row(kinds.CEILING, within, ceiling, path)
    yield Row(kinds.POLICY, within, given(kinds.POLICY, course), path)
    for position, role in enumerate(course.roles or ()):
        yield Row(kinds.ROLE, {**within, "role": role.role}, given(kinds.ROLE, role), (*path, "roles", position))
    for position, name in enumerate(course.models or ()):
        yield Row(kinds.ALLOWED, {**within, "model__name": name}, {}, (*path, "models", position))
    if settings := given(kinds.RULE_SETTINGS, course):
        yield Row(kinds.RULE_SETTINGS, within, settings, path)
    yield from _rules(kinds.RULE, within, course, path)


def _rules(
    kind: Kind, within: Mapping[str, Any], section: CourseSection | InstitutionSection, path: Path
) -> Iterator[Row]:
    for position, rule in enumerate(section.rules or ()):
        yield Row(kind, {**within, "name": rule.name}, given(kind, rule), (*path, "rules", position))


def _issuer(issuer: IssuerSection, path: Path) -> Iterator[Row]:
    yield Row(kinds.ISSUER, {"name": issuer.name}, given(kinds.ISSUER, issuer), path, issuer.secret_env)
    for position, group in enumerate(issuer.operators or ()):
        key = {"issuer__name": issuer.name, "group": group, "is_operator": True}
        yield Row(kinds.OPERATORS, key, {}, (*path, "operators", position))
    for position, admins in enumerate(issuer.department_admins or ()):
        key = {"issuer__name": issuer.name, "group": admins.group, "department__slug": admins.department}
        yield Row(kinds.DEPARTMENT_GRANT, key, {}, (*path, "department_admins", position))
    for position, grant in enumerate(issuer.grants or ()):
        key = {"issuer__name": issuer.name, "group": grant.group, "course__slug": grant.course, "is_operator": False}
        yield Row(kinds.GRANT, key, {"role": grant.role}, (*path, "grants", position))


def given(kind: Kind, section: FileSection) -> dict[str, Any]:
    """The columns that a section sets, in the order of the section's fields."""
    return {kind.columns[name]: value for name, value in section.given.items() if name in kind.columns}


def lists(file: File) -> Iterator[Listed]:
    """The lists that the file gives, inner ones first. Members are excluded, since they are never deleted."""
    if file.institution is not None and file.institution.rules is not None:
        yield Listed(kinds.INSTITUTION_RULE, {"course": None})
    for course in file.courses or ():
        within = {"course__slug": course.slug}
        if course.roles is not None:
            yield Listed(kinds.ROLE, within)
        if course.rules is not None:
            yield Listed(kinds.RULE, within)
        if course.models is not None:
            yield Listed(kinds.ALLOWED, within)
    for model in file.models or ():
        if model.courses is not None:
            yield Listed(kinds.OFFER, {"model__name": model.name})
        if model.deployments is not None:
            yield Listed(kinds.DEPLOYMENT, {"model__name": model.name})
    for provider in file.providers or ():
        if provider.credentials is not None:
            yield Listed(kinds.CREDENTIAL, {"provider__name": provider.name})
    for issuer in file.issuers or ():
        of_issuer = {"issuer__name": issuer.name}
        if issuer.operators is not None:
            yield Listed(kinds.OPERATORS, {**of_issuer, "is_operator": True})
        if issuer.department_admins is not None:
            yield Listed(kinds.DEPARTMENT_GRANT, {**of_issuer, "department__isnull": False})
        if issuer.grants is not None:
            yield Listed(kinds.GRANT, {**of_issuer, "course__isnull": False})
    if file.issuers is not None:
        yield Listed(kinds.ISSUER, {})
    if file.departments is not None:
        yield Listed(kinds.DEPARTMENT, {})
    if file.models is not None:
        yield Listed(kinds.MODEL, {})
    if file.providers is not None:
        yield Listed(kinds.PROVIDER, {})
