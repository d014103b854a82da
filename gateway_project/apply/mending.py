"""How a file with mistakes is read on, so that all of its mistakes are found at once.

Wrong fields are taken out, and stand-ins take the place of wrong names. What is then found wrong only because of that
is not reported.
"""

import copy
from collections.abc import Iterable
from typing import Any

from gateway_project.apply.document import Document, Tree
from gateway_project.apply.mistakes import Mistake, Path

# What tells the items of a list apart.
IDENTITIES: dict[str, tuple[str, ...]] = {
    "providers": ("name",),
    "credentials": ("label",),
    "models": ("name",),
    "deployments": ("provider", "upstream_model"),
    "courses": ("slug",),
    "roles": ("role",),
    "rules": ("name",),
    "members": ("external_id",),
}
_STAND_IN = "\ufffd"


def is_stand_in(name: str) -> bool:
    return name.startswith(_STAND_IN)


def mended(tree: Tree, wrong: Iterable[Path]) -> Tree:
    """The tree without what is wrong. Items keep their positions."""
    if not isinstance(tree, dict):
        return {}
    tree = copy.deepcopy(tree)
    for path in wrong:
        *parents, last = path
        container: Any = tree
        for part in parents:
            container = container[part]
        if isinstance(last, int):
            container[last] = _stand_in_item(path)
        elif last in _identity(path[:-1]):
            container[last] = f"{_STAND_IN}{parents[-1]}"
        else:
            container.pop(last)
    return tree


def _stand_in_item(path: Path) -> Tree:
    name = f"{_STAND_IN}{path[-1]}"
    plain = len(path) > 2 and path[-2] == "models"  # a course names its models without more
    return name if plain else dict.fromkeys(_identity(path), name)


def _identity(item: Path) -> tuple[str, ...]:
    return IDENTITIES.get(str(item[-2]), ()) if len(item) > 1 else ()


def is_consequence(mistake: Mistake, *, of: Path, document: Document) -> bool:
    """True if a mistake may be there only because the field at `of` was taken out."""
    if mistake.path[: len(of)] == of or mistake.path == of[:-1]:
        return True
    beside = mistake.path[:-1] == of[:-1]
    return beside and (mistake.path not in document.lines or of[-1] in _identity(of[:-1]))
