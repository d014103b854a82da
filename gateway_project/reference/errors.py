"""Every error of the APIs, read from the sources: the code and the message are where the error is raised.

A code is written as a string, as the name of one, or as a choice between several. A code that cannot be read raises
UnreadableCode, so that the page cannot lack an error.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from rest_framework.exceptions import NotAcceptable, PermissionDenied

from apps.common.errors import GatewayError
from apps.common.staff import IsStaff
from gateway_project.reference.sources import trees

VARIES = "…"  # stands for what a message takes from the request
STAFF_API = ("gateway_project/apis/", "apps/common/staff.py")
ADMIN = ("apps/common/jobs.py",)  # its pages show only the message
# Codes and messages of REST framework and our permissions, by the class that they are translated to.
BROUGHT_ALONG: dict[str, dict[str, str]] = {
    "NotAllowed": {PermissionDenied.default_code: str(PermissionDenied.default_detail), IsStaff.code: IsStaff.message},
    "InvalidRequest": {NotAcceptable.default_code: str(NotAcceptable.default_detail)},
}
_EXAMPLES: dict[str, Any] = {
    "charged": 0,
    "details": {},
    "headers": {},
    "rule": SimpleNamespace(id=0, message=""),
    "wait": 1,
    "wait_ms": 1000,
}


class UnreadableCode(Exception):
    """The source does not show the code of an error."""


@dataclass(frozen=True, slots=True, order=True)
class RaisedError:
    """An error of an API. `fixed_by` and `sentence` are empty if they depend on the request."""

    is_staff_api: bool
    code: str
    status: int
    fixed_by: str
    sentence: str


def raised_errors() -> list[RaisedError]:
    """All errors, sorted, each once."""
    for path, tree in trees().items():
        if _imports_errors(tree):
            _module(path)  # loads its subclasses of GatewayError
    names = frozenset(kind.__name__ for kind in _family(GatewayError))
    modules = [RaisingModule(path, tree, names) for path, tree in trees().items() if str(path) not in ADMIN]
    return sorted({error for module in modules for error in module.errors()})


def _imports_errors(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == GatewayError.__module__ for node in ast.walk(tree))


def _family(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _family(child)


def _module(path: Path) -> ModuleType:
    return import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))


class RaisingModule:
    """A module, and the errors that it creates from the classes with these names."""

    def __init__(self, path: Path, tree: ast.Module, names: frozenset[str]) -> None:
        self._path = path
        self._tree = tree
        self._names = names
        self._is_staff_api = str(path).startswith(STAFF_API)
        functions = [node for node in ast.walk(self._tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        self._owner = {node: function for function in functions for node in ast.walk(function)}  # the innermost

    def errors(self) -> Iterator[RaisedError]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call) and (kind := self._kind(node.func)) is not None:
                yield from self._made(kind, node)
            elif isinstance(node, ast.Raise) and (kind := self._kind(node.exc)) is not None:
                yield from self._made(kind, ast.Call(ast.Name(kind.__name__), [], []))
            elif isinstance(node, ast.Assign):
                yield from self._chosen(node.value)

    def _kind(self, node: ast.expr | None) -> type[GatewayError] | None:
        if not isinstance(node, ast.Name) or node.id not in self._names:
            return None
        found = getattr(_module(self._path), node.id, None)  # other packages have classes of these names too
        return found if isinstance(found, type) and issubclass(found, GatewayError) else None

    def _made(self, kind: type[GatewayError], call: ast.Call) -> Iterator[RaisedError]:
        named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        given: dict[str, Any] = signature(kind).bind_partial(*call.args, **named).arguments
        example = _example(kind)
        codes = self._codes(kind, given["code"]) if "code" in given else {example.code: ""}
        sentence = self._sentence(given["message"]) if "message" in given else example.message
        status = given["status"].value if "status" in given else kind.status
        for code, brought in codes.items():
            fixed_by = self._fixed_by(given.get("fixed_by"), default=kind.fixed_by)
            yield RaisedError(self._is_staff_api, code, status, fixed_by, brought or sentence)

    def _chosen(self, node: ast.expr) -> Iterator[RaisedError]:
        """A class that is assigned to a name here, and instantiated under that name elsewhere."""
        for value in node.elts if isinstance(node, ast.Tuple) else [node]:
            if (kind := self._kind(value)) is not None:
                if (code := _example(kind).code) == VARIES:
                    self._give_up(kind, value)
                yield RaisedError(self._is_staff_api, code, kind.status, "", "")

    def _codes(self, kind: type[GatewayError], node: ast.expr) -> dict[str, str]:
        """The codes that this expression can have, each with its message if it is known."""
        if ast.unparse(node) == "str(error.get_codes())":
            return BROUGHT_ALONG[kind.__name__]
        if not (codes := dict.fromkeys(self._texts(node), "")):
            self._give_up(kind, node)
        return codes

    def _give_up(self, kind: type[GatewayError], node: ast.expr) -> NoReturn:
        raise UnreadableCode(f"{self._path}:{node.lineno}: the code of {kind.__name__} cannot be read.")

    def _texts(self, node: ast.expr) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.IfExp(body=one, orelse=other):
                yield from self._texts(one)
                yield from self._texts(other)
            case ast.BoolOp(values=values):
                for value in values:
                    yield from self._texts(value)
            case ast.Name(id=name):
                assigned = list(self._assigned(node, name))
                for value in assigned:
                    yield from self._texts(value)
                constant = getattr(_module(self._path), name, None)
                if not assigned and isinstance(constant, str):
                    yield constant

    def _assigned(self, node: ast.expr, name: str) -> Iterator[ast.expr]:
        """What the enclosing function assigns to this name."""
        for other in ast.walk(self._owner[node]) if node in self._owner else ():
            if isinstance(other, ast.Assign) and ast.unparse(other.targets[0]) == name:
                yield other.value

    def _sentence(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=values):
                return "".join(str(v.value) if isinstance(v, ast.Constant) else VARIES for v in values)
        return ""

    def _fixed_by(self, node: ast.expr | None, *, default: str) -> str:
        if node is None:
            return default
        return str(node.value) if isinstance(node, ast.Constant) else ""


def _example(kind: type[GatewayError]) -> GatewayError:
    """An instance of the class, which shows the code and message that do not depend on arguments."""
    needed = [one.name for one in signature(kind).parameters.values() if one.default is one.empty]
    return kind(**{name: _EXAMPLES.get(name, VARIES) for name in needed})
