"""Visible text of templates outside of `translate` and `blocktranslate`."""

import re
from collections.abc import Iterator

from django.template.base import Lexer, Token, TokenType

from gateway_project.env import BASE_DIR

# What stays as it is in every language.
NAMES = frozenset(
    {"Stoa", "ID", "URL", "CSV", "JSON", "ms", "p50", "p95", "svc", "v1", "s", "x", "stoa_sk_", "STOA_KEY"}
)
ATTRIBUTES = r"(?:aria-label|aria-description|title|placeholder|alt|data-label)"
# Arguments of filters and of tags that people read; `_("...")` marks them.
FILTERS = re.compile(r'\|(?:default|default_if_none|yesno|spark):"([^"]*)"')
ARGUMENTS = re.compile(r'\b(?:label|title|button|words|heading|summary|question)="([^"]*)"')
OPAQUE = {"blocktranslate", "blocktrans", "comment", "verbatim"}
_WORD = re.compile(r"[^\W\d_][\w’'.-]*")
_ICON = re.compile(r"<(\w+)[^>]*material-symbols[^>]*>[^<]*</\1>")


def in_templates() -> Iterator[str]:
    for path in sorted((BASE_DIR / "templates").rglob("*.html")):
        for line, text in unmarked(path.read_text()):
            yield f"{path.relative_to(BASE_DIR)}:{line}: “{text}” is not marked for translation."


def unmarked(source: str) -> Iterator[tuple[int, str]]:
    """Each visible text that is not marked, with its line."""
    plain = ""
    for token, is_opaque in _tokens(source):
        if token.token_type == TokenType.TEXT and not is_opaque:
            plain += token.contents
            continue
        if not is_opaque:
            yield from ((token.lineno or 0, text) for text in _literals(token) if has_words(text))
        plain += "\n" * (token.contents.count("\n"))  # so that lines stay what they are
    for number, line in enumerate(_shown(plain).splitlines(), 1):
        if has_words(line):
            yield number, " ".join(line.split())


def has_words(text: str) -> bool:
    return any(word not in NAMES for word in _WORD.findall(re.sub(r"&#?\w+;", " ", text)))


def _tokens(source: str) -> Iterator[tuple[Token, bool]]:
    """Tokens, and whether they are in a block that is marked, or not shown."""
    end = ""
    for token in Lexer(source).tokenize():
        name = token.contents.split(maxsplit=1)[0] if token.token_type == TokenType.BLOCK else ""
        if name in OPAQUE:
            end = f"end{name}"
        yield token, bool(end)
        if name == end:
            end = ""


def _literals(token: Token) -> Iterator[str]:
    if token.token_type in (TokenType.VAR, TokenType.BLOCK):
        yield from FILTERS.findall(token.contents)
    if token.token_type == TokenType.BLOCK and token.contents.startswith(("include", "with")):
        yield from ARGUMENTS.findall(token.contents)


def _shown(html: str) -> str:
    """What of a page can be read: its text without tags and icons, and attributes that screen readers read."""
    html = _ICON.sub(lambda icon: "\n" * icon[0].count("\n"), html)
    shown = re.sub(rf'\s{ATTRIBUTES}="([^"]*)"', lambda found: f">{found[1]}<i ", html)
    return re.sub(r"<[^>]*>", lambda tag: " " + "\n" * tag[0].count("\n"), shown)
