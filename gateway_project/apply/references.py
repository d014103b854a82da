"""References by name to providers and models."""

import difflib
from collections.abc import Iterable, Iterator

from gateway_project.apply import kinds
from gateway_project.apply.document import Document
from gateway_project.apply.kinds import Kind
from gateway_project.apply.mistakes import Mistake, Path
from gateway_project.apply.schema import File, ModelSection, ProviderSection


def dangling(document: Document, file: File, *, prune: bool) -> Iterator[Mistake]:
    """References to providers and models that will not exist once the file is applied."""
    providers = _names(kinds.PROVIDER, file.providers, prune=prune)
    models = _names(kinds.MODEL, file.models, prune=prune)
    for path, name in _providers(file):
        yield from _missing(document, path, "provider", name, providers)
    for path, name in _models(file):
        yield from _missing(document, path, "model", name, models)


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
