"""Patterns ready to be looked for: read and compiled once, and shared by all rulebooks that have them.

Pure. Staff change one rule of many, so the rulebook that takes over from another prepares one pattern anew. A pattern
is known for as long as somebody holds it, and no longer.
"""

from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from apps.rules.engine import prefilter
from apps.rules.engine.parser import parse
from apps.rules.engine.pattern import shortest, width
from apps.rules.engine.re2_limits import compiled, pause
from apps.rules.engine.unicode_words import spell_pattern


class Form(NamedTuple):
    """A pattern as it is written for one kind of text."""

    source: str
    compiled: Any


class Prepared:
    """What there is to know of a pattern. Immutable.

    Both forms are compiled at once, for a thread that prepares a rulebook has more time than one that looks at a
    student's prompt. The tree is let go: it is some fifty objects, and while the garbage collector went through those
    of a few thousand trees, the event loop stood still for 30 ms and more.
    """

    __slots__ = ("__weakref__", "is_empty", "native", "spelled", "width", "words")

    def __init__(self, source: str) -> None:
        """Raises re2.error or BadPattern."""
        self.native = _form(source)  # before parsing, which understands only what RE2 accepts
        tree = parse(source)
        self.spelled = _form(spell_pattern(tree))
        self.words = tuple(prefilter.required(tree))
        self.is_empty = not shortest(tree)  # may match a place that holds nothing
        self.width = width(tree)


def _form(source: str) -> Form:
    return Form(source, compiled(source))


_in_use: WeakValueDictionary[str, Prepared] = WeakValueDictionary()


def prepared(source: str) -> Prepared:
    """The pattern of this source: the one that is in use, if there is one. Raises re2.error or BadPattern.

    Two threads that ask for a new one at the same time may each get their own, which does no harm.
    """
    pattern = _in_use.get(source)
    if pattern is None:
        pattern = _in_use[source] = Prepared(source)
        pause()  # a thousand of them are a third of a second of work
    return pattern
