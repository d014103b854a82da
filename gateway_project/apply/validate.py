"""Checks everything in a document that can be checked without the database."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway_project.apply.document import Document
from gateway_project.apply.mistakes import Mistake, Mistakes, Path
from gateway_project.apply.schema import File
from gateway_project.apply.section import FileSection

# The fields that identify an item of a list.
IDENTITIES: dict[str, tuple[str, ...]] = {
    "providers": ("name",),
    "credentials": ("label",),
    "models": ("name",),
    "deployments": ("provider", "upstream_model"),
    "departments": ("slug",),
    "courses": ("slug",),
    "roles": ("role",),
    "rules": ("name",),
    "members": ("external_id",),
    "issuers": ("name",),
    "operators": ("group",),
    "department_admins": ("group", "department"),
    "grants": ("group", "course"),
    "services": ("name",),
    "instances": ("url",),
}
SENTENCES = {
    "missing": "is required.",
    "list_type": "must be a list.",
    "model_type": "must be a mapping of fields.",
    "model_attributes_type": "must be a mapping of fields.",
}


def validate(document: Document) -> File:
    """The file that a document describes. Raises Mistakes, with all of them."""
    mistakes = [*document.mistakes, *_repeated(document, document.tree, ())]
    try:
        file = File.model_validate(document.tree)
    except ValidationError as error:
        mistakes += [_mistake(document, details) for details in error.errors(include_url=False)]
    if mistakes:
        raise Mistakes(document.source, mistakes)
    return file


def _mistake(document: Document, details: ErrorDetails) -> Mistake:
    path = details["loc"]
    if details["type"] == "extra_forbidden":
        return document.mistake(path, _unknown(path))
    return document.mistake(path, SENTENCES.get(details["type"], details["msg"]))


def _unknown(path: Path) -> str:
    known = sorted(_section(path[:-1]).model_fields)
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    return (
        f"is not a known field; did you mean {near[0]}?" if near else f"is not a known field; use {', '.join(known)}."
    )


def _section(path: Path) -> type[FileSection]:
    section: Any = File
    for part in path:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = (get_args(annotation) or (annotation,))[0]
    return section  # type: ignore[no-any-return]


def _repeated(document: Document, tree: Any, path: Path) -> Iterator[Mistake]:
    """Items that a list contains twice, at any depth."""
    if isinstance(tree, dict):
        for name, item in tree.items():
            yield from _repeated(document, item, (*path, name))
    elif isinstance(tree, list):
        yield from _repeated_items(document, tree, path)
        for position, item in enumerate(tree):
            yield from _repeated(document, item, (*path, position))


def _repeated_items(document: Document, items: list[Any], path: Path) -> Iterator[Mistake]:
    fields = IDENTITIES.get(str(path[-1]), ()) if path else ()
    seen: dict[tuple[str, ...], int] = {}
    for position, item in enumerate(items):
        where = (*path, position, fields[-1]) if fields and isinstance(item, dict) else (*path, position)
        parts = [item.get(field) for field in fields] if isinstance(item, dict) else [item]
        identity = tuple(part.strip() for part in parts if isinstance(part, str))
        if fields and len(identity) == len(parts):
            if identity in seen:
                name = " at ".join(reversed(identity))
                yield document.mistake(where, f"“{name}” is already given on line {seen[identity]}.")
            seen.setdefault(identity, document.line(where))
