"""From a valid file to the rows that it wants. Pure; members follow in `people.py`, for they share people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway_project.apply import kinds
from gateway_project.apply.kinds import FILE_NAMES, Kind
from gateway_project.apply.mistakes import Path
from gateway_project.apply.schema import (
    CourseSection,
    File,
    InstitutionSection,
    ModelSection,
    ProviderSection,
    Section,
)

PROVIDER_FIELDS = ("adapter", "base_url", "timeout_seconds", "allow_private_network", "output_cap", "is_enabled")
CREDENTIAL_FIELDS = ("weight", "is_enabled")
WEIGHTS = ("input_weight", "cached_input_weight", "output_weight")
MODEL_FIELDS = (*WEIGHTS, "context_window", "max_output_tokens", "is_enabled")
DEPLOYMENT_FIELDS = ("priority", "weight", "is_enabled")
WEEK_FIELDS = ("timezone", "week_starts")
COURSE_FIELDS = ("title", *WEEK_FIELDS, "is_open", "logging")
POLICY_FIELDS = (
    "weekly_tokens",
    "student_weekly_tokens",
    "key_requests_per_minute",
    "key_concurrent_requests",
    "student_requests_per_minute",
    "student_concurrent_requests",
    "course_requests_per_minute",
    "course_concurrent_requests",
    "key_tokens_per_minute",
    "student_tokens_per_minute",
    "course_tokens_per_minute",
    "default_output_tokens",
    "least_output_tokens",
    "max_output_tokens",
    "late_joiners",
    "after_exhaustion",
    "fallback_model",
    "fallback_student_weekly_tokens",
)
ROLE_FIELDS = ("weekly_tokens", "requests_per_minute", "concurrent_requests", "tokens_per_minute")
RULE_FIELDS = (
    "pattern",
    "direction",
    "action",
    "stage",
    "priority",
    "message",
    "guidance",
    "replacement",
    "checksum",
    "assignment",
    "starts_at",
    "ends_at",
    "weekdays",
    "from_time",
    "until_time",
    "examples_match",
    "examples_no_match",
)


@dataclass(frozen=True)
class Row:
    """One row as the file wants it. What `values` omits keeps what is stored."""

    kind: Kind
    key: Mapping[str, Any]
    values: Mapping[str, Any]
    path: Path
    secret_env: str | None = None


@dataclass(frozen=True)
class Listed:
    """A list that the file gives in full, so that pruning may remove what it leaves out."""

    kind: Kind
    within: Mapping[str, Any]


def rows(file: File) -> Iterator[Row]:
    """All rows but people and members, each after those it refers to."""
    if file.institution is not None:
        values = _given(file.institution, (*WEEK_FIELDS, "weekly_tokens"))
        yield Row(kinds.INSTITUTION, {"id": 1}, values, ("institution",))
        yield from _rules(kinds.INSTITUTION_RULE, {"course": None}, file.institution, ("institution",))
    for position, provider in enumerate(file.providers or ()):
        yield from _provider(provider, ("providers", position))
    for position, model in enumerate(file.models or ()):
        yield from _model(model, ("models", position))
    for position, course in enumerate(file.courses or ()):
        yield from _course(course, ("courses", position))


def _provider(provider: ProviderSection, path: Path) -> Iterator[Row]:
    yield Row(kinds.PROVIDER, {"name": provider.name}, _given(provider, PROVIDER_FIELDS), path)
    for position, credential in enumerate(provider.credentials or ()):
        key = {"provider__name": provider.name, "label": credential.label}
        values = _given(credential, CREDENTIAL_FIELDS)
        yield Row(kinds.CREDENTIAL, key, values, (*path, "credentials", position), credential.secret_env)


def _model(model: ModelSection, path: Path) -> Iterator[Row]:
    weights = dict.fromkeys(WEIGHTS, model.token_weight) if "token_weight" in model.model_fields_set else {}
    yield Row(kinds.MODEL, {"name": model.name}, {**weights, **_given(model, MODEL_FIELDS)}, path)
    for position, deployment in enumerate(model.deployments or ()):
        key = {
            "model__name": model.name,
            "provider__name": deployment.provider,
            "upstream_model": deployment.upstream_model,
        }
        yield Row(kinds.DEPLOYMENT, key, _given(deployment, DEPLOYMENT_FIELDS), (*path, "deployments", position))


def _course(course: CourseSection, path: Path) -> Iterator[Row]:
    within = {"course__slug": course.slug}
    yield Row(kinds.COURSE, {"slug": course.slug}, _given(course, COURSE_FIELDS), path)
    yield Row(kinds.POLICY, within, _given(course, POLICY_FIELDS), path)
    for position, role in enumerate(course.roles or ()):
        yield Row(kinds.ROLE, {**within, "role": role.role}, _given(role, ROLE_FIELDS), (*path, "roles", position))
    for position, name in enumerate(course.models or ()):
        yield Row(kinds.ALLOWED, {**within, "model__name": name}, {}, (*path, "models", position))
    if settings := _given(course, ("on_failure",)):
        yield Row(kinds.RULE_SETTINGS, within, settings, path)
    yield from _rules(kinds.RULE, within, course, path)


def _rules(
    kind: Kind, within: Mapping[str, Any], section: CourseSection | InstitutionSection, path: Path
) -> Iterator[Row]:
    for position, rule in enumerate(section.rules or ()):
        yield Row(kind, {**within, "name": rule.name}, _given(rule, RULE_FIELDS), (*path, "rules", position))


def _given(section: Section, fields: tuple[str, ...]) -> dict[str, Any]:
    names = {field: FILE_NAMES.get(field, field) for field in fields}
    return {field: getattr(section, name) for field, name in names.items() if name in section.model_fields_set}


def lists(file: File) -> Iterator[Listed]:
    """The lists that the file gives, inner ones first. Members are not among them: they are never deleted."""
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
        if model.deployments is not None:
            yield Listed(kinds.DEPLOYMENT, {"model__name": model.name})
    for provider in file.providers or ():
        if provider.credentials is not None:
            yield Listed(kinds.CREDENTIAL, {"provider__name": provider.name})
    if file.models is not None:
        yield Listed(kinds.MODEL, {})
    if file.providers is not None:
        yield Listed(kinds.PROVIDER, {})
