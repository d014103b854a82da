"""The source files of Stoa, parsed."""

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gateway_project.env import BASE_DIR

OUR_OWN = Path(__file__).parent


def parsed(path: Path) -> ast.Module:
    """The tree of a module. Nothing is collected meanwhile: a finalizer would let another thread parse as well, which
    CPython 3.11 takes for an error of its own (gh-106905)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        if was_on:
            gc.enable()


@cache
def trees() -> dict[Path, ast.Module]:
    """All modules except migrations and this package, by path from the top of the repository."""
    found = [path for folder in ("apps", "gateway_project") for path in sorted((BASE_DIR / folder).rglob("*.py"))]
    ours = [path for path in found if "migrations" not in path.parts and path.parent != OUR_OWN]
    return {path.relative_to(BASE_DIR): parsed(path) for path in ours}


def nodes() -> Iterator[ast.AST]:
    for tree in trees().values():
        yield from ast.walk(tree)
