"""Looks for words that must not be on a page: `python -m gateway_project.vocabulary`.

CONTRIBUTING.md says which to use. It reads the templates, and in the code of the admin what people read: texts with a
space or after a known name.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway_project.env import BASE_DIR

# What not to say, and what to say instead.
WORDS = {
    r"\bmember(ship)?s?\b": "student",
    r"\bexternal ids?\b": "student number",
    r"\boutput tokens?\b": "answer limit",
    r"\bare you sure\b": "the verb, and what stops for whom",
    r"\bselect .* to (change|view)\b": "the word in the menu",
    r"\bwhoever\b": "who",
    r"\bit rests\b": "it does not apply now",
    r"\(UTC\)": "nothing: the page has one clock",
    r"date:\"Y-m-d": "the filter `when`",
}
# Texts that keep such a word, each with its reason.
EXCEPTIONS = {
    "Output tokens": "the count of a call, beside its input tokens",
}
CODE = ("apps/*/admin.py", "apps/*/admin/*.py", "gateway_project/site/*.py")
MARKS = frozenset({"_", "gettext", "ngettext"})
SHOWN = frozenset({"description", "help_text", "label", "title", "verbose_name", "verbose_name_plural", "empty_text"})


def mistakes() -> Iterator[str]:
    for path in sorted((BASE_DIR / "templates").rglob("*.html")):
        text = re.sub(r"{#.*?#}|{%-?\s*(?:load|include|url|with)\b.*?%}", " ", path.read_text())
        yield from _found(path, enumerate(text.splitlines(), 1))
    for path in sorted(path for pattern in CODE for path in BASE_DIR.glob(pattern)):
        yield from _found(path, _texts(ast.parse(path.read_text())))


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Texts that people may read: those with a space, and what is given to a name that is shown. No docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    shown = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in SHOWN}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in MARKS]
    shown |= {id(argument) for call in calls for argument in call.args}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if " " in node.value.strip() or id(node) in shown:
            yield node.lineno, node.value


def _found(path: Path, lines: Iterator[tuple[int, str]] | enumerate[str]) -> Iterator[str]:
    for number, line in lines:
        rest = line
        for kept in EXCEPTIONS:
            rest = rest.replace(kept, "")
        words = re.sub(r"{{.*?}}|{%.*?%}|<[^>]*>", " ", rest)
        for pattern, instead in WORDS.items():
            if found := re.search(pattern, rest if pattern.startswith("date") else words, re.IGNORECASE):
                yield f"{path.relative_to(BASE_DIR)}:{number}: “{found[0]}”. Say {instead}."


if __name__ == "__main__":
    found = list(mistakes())
    print("\n".join(found))
    sys.exit(1 if found else 0)
