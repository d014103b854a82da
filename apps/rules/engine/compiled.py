"""Prepared patterns: parsed and compiled once, and shared by all rulebooks that have them.

Pure. Staff change one rule of many, so a new rulebook prepares only one pattern. A pattern is kept as long as it is in
use.
"""

from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from apps.rules.engine import prefilter
from apps.rules.engine.parser import parse
from apps.rules.engine.pattern import is_anchored, shortest, width
from apps.rules.engine.re2_limits import compiled, pause
from apps.rules.engine.unicode_words import spell_pattern


class Form(NamedTuple):
    """A pattern as it is written for one kind of text."""

    source: str
    compiled: Any


class Prepared:
    """Everything that is known about a pattern. Immutable."""

    __slots__ = ("__weakref__", "is_anchored", "is_empty", "native", "spelled", "width", "words")

    def __init__(self, source: str) -> None:
        """Raises re2.error or BadPattern."""
        self.native = _form(source)  # before parsing, as the parser understands only what RE2 accepts
        # Not kept: while the garbage collector went through a few thousand trees, the event loop stood still for 30 ms.
        tree = parse(source)
        # Both forms are compiled now: a thread that prepares a rulebook has more time than one that screens a prompt.
        self.spelled = _form(spell_pattern(tree))
        self.words = tuple(prefilter.required(tree))
        self.is_empty = not shortest(tree)  # may match a place that holds nothing
        self.is_anchored = is_anchored(tree)
        self.width = width(tree)


def _form(source: str) -> Form:
    return Form(source, compiled(source))


_in_use: WeakValueDictionary[str, Prepared] = WeakValueDictionary()


def prepared(source: str) -> Prepared:
    """The prepared pattern of this source, shared while it is in use. Raises re2.error or BadPattern."""
    pattern = _in_use.get(source)
    if pattern is None:
        # Two threads may both prepare a new one, which does no harm.
        pattern = _in_use[source] = Prepared(source)
        pause()  # preparing a thousand takes a third of a second
    return pattern
