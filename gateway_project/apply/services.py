"""Services with their instances and courses. Each is validated whole, as it will be, with what the file omits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from apps.services.models import Instance, Service
from gateway_project.apply import kinds
from gateway_project.apply.changes import Change
from gateway_project.apply.document import Document
from gateway_project.apply.kinds import Kind
from gateway_project.apply.mistakes import Mistake, Path
from gateway_project.apply.schema import File
from gateway_project.apply.section import FileSection
from gateway_project.apply.service_schema import ServiceSection

# Columns of sections that stand inside that of a service, by the name of the section.
INNER: dict[str, dict[str, str]] = {
    "health_check": {
        "path": "health_path",
        "interval_seconds": "health_interval_seconds",
        "timeout_seconds": "health_timeout_seconds",
        "statuses": "health_statuses",
        "good": "health_good",
        "bad": "health_bad",
    },
    "retry": {"most": "retries", "statuses": "retry_statuses"},
    "breaker": {
        "misses": "breaker_misses",
        "share": "breaker_share",
        "at_least": "breaker_at_least",
        "pause_seconds": "breaker_pause_seconds",
        "longest_seconds": "breaker_longest_seconds",
    },
}


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A service as it will be, with its instances by address, and the changes that make it so."""

    path: Path
    section: ServiceSection
    service: Service
    instances: dict[str, tuple[Path, Instance]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


def plan(document: Document, file: File, *, prune: bool) -> tuple[list[Change], list[Mistake]]:
    """The changes of services, and the mistakes in those that the file asks for."""
    if file.services is None:
        return [], []
    stored = {row.name: row for row in Service.objects.prefetch_related("instances")}
    named = {section.name for section in file.services}
    gone = [name for name in stored if name not in named] if prune else []
    taken = {row.prefix: name for name, row in stored.items() if name not in gone}
    drafts = [_draft(section, ("services", n), stored, prune=prune) for n, section in enumerate(file.services)]
    prefixes = {name: row.prefix for name, row in stored.items() if name not in gone}
    prefixes |= {draft.service.name: draft.service.prefix or draft.service.name for draft in drafts}
    mistakes = [mistake for draft in drafts for mistake in _mistakes(document, draft, prefixes)]
    mistakes += _unfree(document, drafts, taken)
    removals = [Change("-", kinds.SERVICE, {"name": name}) for name in gone]
    return [*removals, *(change for draft in drafts for change in draft.changes)], mistakes


def _draft(section: ServiceSection, path: Path, stored: Mapping[str, Service], *, prune: bool) -> _Draft:
    found = stored.get(section.name)
    service, values = found or Service(name=section.name), dict(_values(section))
    draft = _Draft(path=path, section=section, service=service)
    draft.changes.extend(_changed(kinds.SERVICE, {"name": section.name}, values, found))
    for name, value in values.items():
        setattr(service, name, value)
    _add_instances(draft, list(found.instances.all()) if found else [], prune=prune)
    _add_courses(draft, found, prune=prune)
    return draft


def _values(section: ServiceSection) -> Iterator[tuple[str, Any]]:
    """The columns that a section sets."""
    for name, value in section.given.items():
        if name in INNER and value is not None:
            yield from ((INNER[name][inner], one) for inner, one in value.given.items())
        elif name == "route_limits":
            yield name, [limit.given for limit in value]
        elif name in kinds.SERVICE.columns:
            yield kinds.SERVICE.columns[name], value


def _add_instances(draft: _Draft, stored: list[Instance], *, prune: bool) -> None:
    asked = {one.url.rstrip("/"): (n, one) for n, one in enumerate(draft.section.instances or ())}
    is_pruned = prune and draft.section.instances is not None
    for instance in stored:
        if instance.url not in asked and is_pruned:
            draft.changes.append(Change("-", kinds.INSTANCE, _key(draft, url=instance.url)))
        elif instance.url not in asked:
            draft.instances[instance.url] = ((*draft.path, "allow_private_network"), instance)
    for url, (position, section) in asked.items():
        found = next((one for one in stored if one.url == url), None)
        values = {kinds.INSTANCE.columns[n]: v for n, v in section.given.items() if n in kinds.INSTANCE.columns}
        draft.changes.extend(_changed(kinds.INSTANCE, _key(draft, url=url), values, found))
        draft.instances[url] = ((*draft.path, "instances", position), _instance(url, found, values))


def _instance(url: str, found: Instance | None, values: Mapping[str, Any]) -> Instance:
    instance = found or Instance(url=url)
    for name, value in values.items():
        setattr(instance, name, value)
    return instance


def _add_courses(draft: _Draft, found: Service | None, *, prune: bool) -> None:
    if draft.section.courses is None:
        return
    stored = set(found.service_courses.values_list("course__slug", flat=True)) if found else set()
    new = [slug for slug in draft.section.courses if slug not in stored]
    gone = sorted(stored - set(draft.section.courses)) if prune else []
    draft.changes.extend(Change("+", kinds.SERVICE_COURSE, _key(draft, course__slug=slug)) for slug in new)
    draft.changes.extend(Change("-", kinds.SERVICE_COURSE, _key(draft, course__slug=slug)) for slug in gone)


def _key(draft: _Draft, **key: str) -> dict[str, str]:
    return {"service__name": draft.section.name, **key}


def _changed(
    kind: Kind, key: Mapping[str, Any], values: Mapping[str, Any], stored: models.Model | None
) -> Iterator[Change]:
    """The change that a row needs, if any. Call it before the values are set on the row."""
    if stored is None:
        yield Change("+", kind, key, values)
        return
    before = {name: getattr(stored, name) for name in values}
    if after := {name: value for name, value in values.items() if value != before[name]}:
        yield Change("~", kind, key, after, before)


# Validation


def _mistakes(document: Document, draft: _Draft, prefixes: Mapping[str, str]) -> Iterator[Mistake]:
    draft.service.beside = {name: prefix for name, prefix in prefixes.items() if name != draft.service.name}
    for column, sentence in _wrong(draft.service):
        yield document.mistake((*draft.path, *_place(draft.section, column)), sentence)
    if len({one.url.rstrip("/") for one in draft.section.instances or ()}) < len(draft.section.instances or ()):
        yield document.mistake((*draft.path, "instances"), "one of these addresses is given twice.")
    for path, instance in draft.instances.values():
        instance.service = draft.service
        is_kept = path[-1] == "allow_private_network"  # the file does not name it
        for column, sentence in _wrong(instance):
            place = path if is_kept else (*path, *_place(draft.section, column))
            yield document.mistake(place, f"{instance.url}: {sentence}" if is_kept else sentence)


def _unfree(document: Document, drafts: Iterable[_Draft], taken: Mapping[str, str]) -> Iterator[Mistake]:
    """Addresses that are free only once another service of the file has left them. Rows change one by one."""
    for draft in drafts:
        owner = taken.get(draft.service.prefix, draft.service.name)
        if owner != draft.service.name and not _still(drafts, owner, draft.service.prefix):
            sentence = f"{owner} has this address now. Give it its new one first, with a file of its own."
            yield document.mistake((*draft.path, "prefix"), sentence)


def _still(drafts: Iterable[_Draft], name: str, prefix: str) -> bool:
    """Whether the service keeps the prefix, which is told elsewhere."""
    return not any(draft.service.name == name and draft.service.prefix != prefix for draft in drafts)


def _wrong(row: models.Model) -> Iterator[tuple[str, str]]:
    """Columns with what is wrong with them: a model's own messages come after Django's general ones."""
    references = {one.name for one in row._meta.fields if one.is_relation}
    try:
        row.full_clean(exclude=references, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        for name, sentences in error.message_dict.items():
            yield name, sentences[-1]


def _place(section: FileSection, column: str) -> Path:
    """Where a file sets a column."""
    for outer, inner in INNER.items():
        for name, inside in inner.items():
            if inside == column and isinstance(section, ServiceSection):
                return (outer, name)
    return (kinds.FILE_NAMES.get(column, column),)
