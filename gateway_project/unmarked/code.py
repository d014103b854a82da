"""Texts of forms, tables and pages in the code that are not marked: neither `_("...")` nor `gettext("...")`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway_project.env import BASE_DIR

MODULES = (
    *("apps/*/admin.py", "apps/*/admin/**/*.py", "apps/*/models.py", "apps/*/models/*.py"),
    *(f"apps/common/{name}.py" for name in ("admin", "charts", "display", "filter_chips", "hosting", "searching")),
    *("apps/accounts/sign_in/**/*.py", "gateway_project/site/*.py", "gateway_project/templatetags/*.py"),
)
# Names of arguments, attributes and keys whose values people read.
SHOWN = frozenset(
    {
        *("verbose_name", "verbose_name_plural", "help_text", "search_help_text", "label", "description", "title"),
        *("short_description", "empty_label", "empty_text", "add_words", "placeholder", "violation_error_message"),
    }
)
# Functions, with the places of their arguments that people read.
CALLS = {
    **dict.fromkeys(("success", "warning", "message_user"), (1,)),
    **dict.fromkeys(("ValidationError", "Fact"), (0,)),
    **dict.fromkeys(("badge", "Shown"), (0, 2)),
    "add_error": (1,),
    "RegexValidator": (1,),
}
# Texts that are the same in every language, or that only programs and logs read.
EXCEPTIONS = frozenset({"Stoa", "/svc/ /", "On the page of an appeal.", "The menu could not be shown"})
MARKS = frozenset({"_", "gettext", "ngettext", "gettext_noop"})
_SENTENCE = re.compile(r"[“ ]?[A-Z][a-z’]+ ?(of|to|for|in|is|was|the|[a-z’]+ )")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)+")
_TAGS = re.compile(r"<[^>]*>|{[^}]*}|&\w+;")


def in_code() -> Iterator[str]:
    for path in sorted({path for pattern in MODULES for path in BASE_DIR.glob(pattern)}):
        for line, text in unmarked(path):
            yield f"{path.relative_to(BASE_DIR)}:{line}: “{text}” is not marked for translation."


def unmarked(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    shown = [value for node in ast.walk(tree) for value in _shown(node)]
    found = {(value.lineno, text) for value in shown for text in _texts(value)}
    if "admin" in str(path) or "site" in path.parts:  # elsewhere errors and lines of the log are sentences too
        found |= set(_sentences(tree))
    for line, text in sorted(found):
        if _LETTERS.search(text) and not _NAME.fullmatch(text) and text not in EXCEPTIONS:
            yield line, text


def _shown(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in this node that people read."""
    match node:
        case ast.Call(func=function, args=args, keywords=keywords):
            yield from (keyword.value for keyword in keywords if keyword.arg in SHOWN)
            yield from _arguments(function, args)
        case ast.Assign(targets=[ast.Name(name) | ast.Attribute(attr=name)], value=value) if name in SHOWN:
            yield value
        case ast.Dict(keys=keys, values=values):
            yield from (
                value
                for key, value in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant) and key.value in SHOWN
            )
        case ast.ClassDef(bases=bases, body=body) if any("Choices" in ast.unparse(base) for base in bases):
            choices = [one.value for one in body if isinstance(one, ast.Assign)]
            yield from (choice.elts[-1] if isinstance(choice, ast.Tuple) else choice for choice in choices)


def _sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What begins with a capital letter and has two words, wherever it stands; but not docstrings."""
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in MARKS:
            left_out |= {id(part) for argument in node.args for part in ast.walk(argument)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in left_out:
            continue
        if _SENTENCE.match(node.value):
            yield node.lineno, node.value


def _arguments(function: ast.expr, args: list[ast.expr]) -> Iterator[ast.expr]:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    yield from (args[place] for place in CALLS.get(name, ()) if place < len(args) and owner != "log")
    if name == "format_html" and args and isinstance(args[0], ast.Constant):
        yield ast.copy_location(ast.Constant(_TAGS.sub(" ", str(args[0].value)).strip()), args[0])
    if owner == "models" and name.endswith("Field") and name not in ("ForeignKey", "OneToOneField", "ManyToManyField"):
        yield from args[:1]


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that this expression can be, without those that are marked."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) for part in values if isinstance(part, ast.Constant))
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one), *_texts(other))
        case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Dict(values=values):
            for value in values:
                yield from _texts(value)
