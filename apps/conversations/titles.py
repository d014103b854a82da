"""The title of a conversation: the first sentence of what was asked, without code and Markdown. Pure."""

import re

LONGEST = 120
LOOKED_AT = 4_000  # characters
ENOUGH = 25  # characters; a shorter sentence, such as "Here is my code.", is joined with the next

_FENCED = re.compile(r"(?:```|~~~).*?(?:```|~~~|\Z)", re.DOTALL)
_THOUGHT = re.compile(r"<(think|thinking)>.*?(?:</\1>|\Z)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]\n]{0,200})\]\([^)\n]{0,500}\)")
_LINE_MARKS = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+|\d{1,3}[.)][ \t]+|[-=*_|: ]{3,}$)", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(\*\*\*|\*\*|\*|~~|`{1,3})(?=\S)([^\n]{1,300}?)(?<=\S)\1(?!\w)")
_MARKED = re.compile(r"[`~<\[*#>+=_|-]|\d[.)]|: *: *:")  # what none of the above can do without
_END = re.compile(r"(?<=[.!?؟。！？])[\"'”’)\]]*(?=\s|$)|(?<=[。！？])")


def title_of(text: str) -> str:
    """A title of at most 120 characters; empty for an empty text. The title of a title is that title."""
    start = text[:LOOKED_AT]
    sentence = _first_sentence(_said(start) if _MARKED.search(start) else " ".join(start.split()))
    return sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 1].rstrip() + "…"


def _said(text: str) -> str:
    """A text without its code, unless it is nothing but code."""
    return _plain(_FENCED.sub(" ", text)) or _plain(text.replace("```", " ").replace("~~~", " "))


def _plain(text: str) -> str:
    for pattern, kept in ((_THOUGHT, " "), (_LINK, r"\1"), (_LINE_MARKS, ""), (_EMPHASIS, r"\2")):
        text = pattern.sub(kept, text)
    return " ".join(text.split())


def _first_sentence(said: str) -> str:
    for end in _END.finditer(said):
        if end.end() >= ENOUGH:
            return said[: end.end()].strip()
    return said
