"""Markdown of students and models as HTML that does nothing: no address is followed and no picture is loaded. Pure.

There are two walls. The parser escapes HTML and makes neither links nor pictures; then only tags that format text may
stay. What rules found is carried through the parser between two characters that no text has. If they change what the
text becomes, or get lost, there is no rendering: the reader then sees the source with its marks.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import nh3
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from apps.conversations.marks import UNSEEN, Found, MarkedText, cut, name_of

LONGEST = 20_000  # characters of one text; a longer one stays source
MOST_LINES = 1_000
MOST_OPENED = 1_000  # characters that may open something, so that no text takes the parser long
MOST_MARKED = 200

_BEGIN, _END = "\ufdd0", "\ufdd1"  # no characters, by Unicode's own definition
_CARRIED = re.compile(f"[{_BEGIN}{_END}]")
_CUT = re.compile(f"(<[^>]*>|[{_BEGIN}{_END}])")
_OPENING = re.compile(r"[\[*_`<>|~!\\&]")
_PROGRAM = re.compile(r"[:{(;][ \t]*\n(?: {2,}|\t)[ \t]*\S")
_TAGS = {"p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "h4", "h5", "h6", "span"}
_TAGS |= {"table", "thead", "tbody", "tr", "th", "td"}
_CLASSES = {"span": {"stoa-address"}}


def render(text: str, found: Iterable[Found] = ()) -> SafeString | None:
    """The text as HTML, with the matches in it marked; None if it is better read as source."""
    if _takes_long(text) or _CARRIED.search(text) or _is_program(text):
        return None
    html = _html(text)
    runs = list(cut(text, found))
    marked = [run.rules for run in runs if run.rules and run.text.strip()]
    if marked:
        carried = _html("".join(map(_enclosed, runs))) if len(marked) <= MOST_MARKED else ""
        if _CARRIED.sub("", carried) != html or _CARRIED.findall(carried) != [_BEGIN, _END] * len(marked):
            return None
        html = carried
    return mark_safe("".join(_finished(html, marked)))  # noqa: S308  # cleaned, and what is added to it is escaped


def _takes_long(text: str) -> bool:
    return len(text) > LONGEST or text.count("\n") > MOST_LINES or len(_OPENING.findall(text)) > MOST_OPENED


def _is_program(text: str) -> bool:
    """Whether this looks like a program without a fence, whose lines Markdown would join."""
    return "```" not in text and _PROGRAM.search(text) is not None


def _enclosed(run: MarkedText) -> str:
    """What was found, between the two characters. White space at its ends stays outside."""
    core = run.text.strip()
    if not run.rules or not core:
        return run.text
    before, after = run.text.split(core, 1)
    return f"{before}{_BEGIN}{core}{_END}{after}"


def _html(text: str) -> str:
    rendered = _parser.render(text)
    cleaned: str = nh3.clean(rendered, tags=_TAGS, attributes={"ol": {"start"}}, allowed_classes=_CLASSES)
    return cleaned


def _finished(html: str, marked: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The HTML with its marks, which end and begin again at each tag, and with invisible characters shown."""
    left, open_mark = iter(marked), ""
    for part in _CUT.split(html):
        if part == _BEGIN:
            open_mark = format_html('<mark class="stoa-hit" title="Found by {}">', ", ".join(next(left)))
        elif part == _END:
            open_mark = ""
        elif part.startswith("<"):
            yield part
        elif part:
            shown = UNSEEN.sub(_shown, part)
            yield f"{open_mark}{shown}</mark>" if open_mark and part.strip() else shown


def _shown(unseen: re.Match[str]) -> str:
    return f'<span class="stoa-unseen" title="A character that cannot be seen">{name_of(unseen.group())}</span>'


# The parser: CommonMark with tables, in which links and pictures are their text and their address


def _address(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """The end of a link: the address that is on the token where it began, unless it is what the link says anyway."""
    return str(tokens[index].meta.get("shown", ""))


def _with_addresses(state: Any) -> None:
    """Note the address of each link at its end."""
    for block in state.tokens:
        begun: list[tuple[int, Token]] = []
        for place, token in enumerate(block.children or ()):
            if token.type == "link_open":
                begun.append((place, token))
            elif token.type == "link_close" and begun:
                start, opened = begun.pop()
                said = "".join(one.content for one in block.children[start:place])
                token.meta = {"shown": _shown_address(str(opened.attrs.get("href", "")), said)}


def _shown_address(address: str, said: str = "") -> str:
    inner = escape(address)
    return "" if address in (said, f"mailto:{said}") else f' <span class="stoa-address">({inner})</span>'


def _picture(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    said = conditional_escape(token.content) or "picture"
    return f"[{said}]{_shown_address(str(token.attrs.get('src', '')))}"


def _code(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Without the language that the author names."""
    return f"<pre><code>{escape(tokens[index].content)}</code></pre>\n"


def _lowered(state: Any) -> None:
    """Headings of a text stand below those of the page."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 3)}"


def _nothing(*_: Any) -> str:
    return ""


def _made() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser.core.ruler.push("addresses", _with_addresses)
    parser.core.ruler.push("lowered", _lowered)
    for rule, made in {"link_open": _nothing, "link_close": _address, "image": _picture, "fence": _code}.items():
        parser.add_render_rule(rule, made)
    return parser


_parser = _made()
