"""Words that must occur in a text before a pattern can match it.

Searching for words first keeps many rules cheap, whatever the text: a set of patterns with gaps builds a new state for
every combination of words seen, and a text made of the words of a thousand rules took 300 ms.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import re2

from apps.rules.engine.pattern import Atom, Chain, Choice, Edge, Node, Repetition
from apps.rules.engine.re2_limits import compiled, gently, pause

SHORTEST = 3
MOST = 40  # words of one choice
_WORD = re.compile(r"\w+")
_EDGE = "\x00"
_STRETCH = 16_384  # characters that are scanned without a pause
_AT_ONCE = 512  # words that are compiled without a pause; all of a thousand rules held the event loop for 4 ms


class Word(NamedTuple):
    """Case-folded letters. `whole` means that no other letter can stand before or after them."""

    text: str
    whole: bool


Words = frozenset[Word]


def required(node: Node) -> list[Words]:
    """Sets of words. Every match of the node contains at least one word of each set."""
    match node:
        case Chain(parts):
            return _of_chain(parts)
        case Choice(options):
            return _of_choice(options)
        case Repetition(body, least) if least:
            return required(body)
        case Atom():
            return _of_chain((node,))
        case _:
            return []


def _of_chain(parts: Sequence[Node]) -> list[Words]:
    found: list[Words] = []
    run = ""
    for number, part in enumerate(parts):
        letter = _letter(part)
        if letter:
            run += letter
        else:
            found += _of_run(run)
            run = ""
            if not isinstance(part, Atom | Edge):
                found += required(
                    _between_edges(part, parts[max(0, number - 1)], parts[min(number + 1, len(parts) - 1)])
                )
    return found + _of_run(run)


def _letter(node: Node) -> str:
    """The case-folded character that the node matches, `_EDGE` for a boundary, or empty for anything else."""
    if isinstance(node, Edge):
        return _EDGE if node.source == r"\b" else ""
    if isinstance(node, Atom) and not node.negated and len(node.items) == 1:
        first, last, name = node.items[0]
        if first == last and not name:
            return first.casefold()
    return ""


def _of_run(run: str) -> list[Words]:
    words = (Word(match.group(), match.start() > 0 and match.end() < len(run)) for match in _WORD.finditer(run))
    return [frozenset([word]) for word in words if len(word.text) >= SHORTEST]


def _between_edges(node: Node, before: Node, after: Node) -> Node:
    """Moves the boundaries around a choice into its options, so that its words are known to be whole."""
    if not isinstance(node, Choice) or Edge(r"\b") not in (before, after):
        return node
    edges = [[edge] if edge == Edge(r"\b") else [] for edge in (before, after)]
    return Choice(tuple(Chain((*edges[0], *_parts(option), *edges[1])) for option in node.options))


def _parts(node: Node) -> tuple[Node, ...]:
    return node.parts if isinstance(node, Chain) else (node,)


def _of_choice(options: Sequence[Node]) -> list[Words]:
    """One set, with the best words of each option."""
    together: set[Word] = set()
    for option in options:
        best = max(required(option), key=_value, default=None)
        if best is None:
            return []
        together |= best
    return [frozenset(together)] if len(together) <= MOST else []


def _value(words: Words) -> tuple[bool, int]:
    return all(word.whole for word in words), min(len(word.text) for word in words)


class Index:
    """Finds which of many patterns have all their words in a text."""

    def __init__(self, requirements: Sequence[Sequence[Words]]) -> None:
        """`requirements` has what `required` says of each pattern. Patterns without any are never candidates."""
        self._requirements = [(number, sets) for number, sets in enumerate(requirements) if sets]
        self._words = sorted({word for _, sets in self._requirements for words in sets for word in words})
        chunks = (self._words[at : at + _AT_ONCE] for at in range(0, len(self._words), _AT_ONCE))
        self._any = [_any_of(chunk) for chunk in gently(chunks, every=1)]

    def candidates(self, texts: Sequence[str]) -> list[list[int]]:
        """For each text the patterns that may match. What the texts have in common is searched once."""
        seen: set[str] = set()
        present: set[Word] = set()
        found: list[list[int]] = []
        for text in texts:
            fresh = self._tokens(text) - seen
            seen |= fresh
            if fresh:
                present |= self._present(fresh, [word for word in self._words if word not in present])
            matching = self._requirements if present else ()
            found.append([n for n, sets in matching if not any(map(present.isdisjoint, sets))])
        return found

    def _tokens(self, text: str) -> set[str]:
        """The distinct words of a text; none if it contains none that is searched for."""
        folded = text.casefold()
        haystack = folded.encode()
        if not any(some.search(haystack) for some in self._any):
            return set()
        tokens: set[str] = set()
        at = 0
        while at < len(folded):
            rest = _WORD.match(folded, at + _STRETCH)
            end = rest.end() if rest else at + _STRETCH
            tokens.update(_WORD.findall(folded, at, end))
            at = end
            pause()
        return tokens

    def _present(self, tokens: set[str], missing: Sequence[Word]) -> set[Word]:
        together = _EDGE.join(tokens)
        return {
            word
            for word in gently(missing, every=64)
            if word.text in tokens or (not word.whole and word.text in together)
        }


def _any_of(words: Sequence[Word]) -> Any:
    return compiled("|".join(re2.escape(word.text) for word in words))
