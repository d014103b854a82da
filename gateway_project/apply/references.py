"""References by name to providers, models, courses and departments."""

import difflib
from collections.abc import Iterable, Iterator

from apps.accounts.models import Course, Department
from gateway_project.apply import kinds
from gateway_project.apply.document import Document
from gateway_project.apply.kinds import Kind
from gateway_project.apply.mistakes import Mistake, Path
from gateway_project.apply.schema import File, ModelSection, ProviderSection


def dangling(document: Document, file: File, *, prune: bool) -> Iterator[Mistake]:
    """References to providers, models, courses and departments that will not exist once the file is applied."""
    providers = _names(kinds.PROVIDER, file.providers, prune=prune)
    models = _names(kinds.MODEL, file.models, prune=prune)
    slugs = {course.slug for course in file.courses or ()}  # a course is never deleted by leaving it out
    courses = slugs | set(Course.objects.values_list("slug", flat=True))
    for path, name in _providers(file):
        yield from _missing(document, path, "provider", name, providers)
    for path, name in _models(file):
        yield from _missing(document, path, "model", name, models)
    for path, name in _courses(file):
        yield from _missing(document, path, "course", name, courses)
    departments = {department.slug for department in file.departments or ()}
    if not prune or file.departments is None:
        departments |= set(Department.objects.values_list("slug", flat=True))
    for path, name in _departments(file):
        yield from _missing(document, path, "department", name, departments)


def _providers(file: File) -> Iterator[tuple[Path, str]]:
    for number, model in enumerate(file.models or ()):
        for position, deployment in enumerate(model.deployments or ()):
            yield ("models", number, "deployments", position, "provider"), deployment.provider


def _models(file: File) -> Iterator[tuple[Path, str]]:
    for number, course in enumerate(file.courses or ()):
        for position, name in enumerate(course.models or ()):
            yield ("courses", number, "models", position), name
        if course.fallback_model:
            yield ("courses", number, "fallback_model"), course.fallback_model


def _courses(file: File) -> Iterator[tuple[Path, str]]:
    for number, model in enumerate(file.models or ()):
        for position, slug in enumerate(model.courses or ()):
            yield ("models", number, "courses", position), slug
    for number, issuer in enumerate(file.issuers or ()):
        for position, grant in enumerate(issuer.grants or ()):
            yield ("issuers", number, "grants", position, "course"), grant.course
    for number, service in enumerate(file.services or ()):
        for position, slug in enumerate(service.courses or ()):
            yield ("services", number, "courses", position), slug


def _departments(file: File) -> Iterator[tuple[Path, str]]:
    for number, course in enumerate(file.courses or ()):
        if course.department:
            yield ("courses", number, "department"), course.department
    for number, issuer in enumerate(file.issuers or ()):
        for position, grant in enumerate(issuer.department_admins or ()):
            yield ("issuers", number, "department_admins", position, "department"), grant.department


def _names(kind: Kind, section: Iterable[ProviderSection | ModelSection] | None, *, prune: bool) -> set[str]:
    given = {item.name for item in section or ()}
    if prune and section is not None:
        return given
    return given | set(kind.model._base_manager.values_list("name", flat=True))


def _missing(document: Document, path: Path, noun: str, name: str, known: set[str]) -> Iterator[Mistake]:
    if name in known:
        return
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    yield document.mistake(path, f"there is no {noun} “{name}”{hint}")
