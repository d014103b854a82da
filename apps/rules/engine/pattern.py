"""Patterns as trees, and what a tree tells: width, repetitions and atoms. Pure."""

from dataclasses import dataclass
from typing import NamedTuple


class BadPattern(ValueError):
    """A pattern that RE2 cannot run, or not cheaply. The message says why and where, for its author."""


class Flags(NamedTuple):
    """The flags (?imsU) in force at some place."""

    fold: bool = False
    multiline: bool = False
    dot_all: bool = False
    ungreedy: bool = False


class Item(NamedTuple):
    r"""An item of a class: a range of characters, or a name such as `\d`, `\pL` or `[:alpha:]`."""

    first: str
    last: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Atom:
    """Matches exactly one character. `source` is RE2's notation of it."""

    source: str
    items: tuple[Item, ...]
    negated: bool
    flags: Flags


@dataclass(frozen=True, slots=True)
class Edge:
    """Matches a position: an anchor or a word boundary."""

    source: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A sequence."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repetition:
    """A repetition; without a limit if `most` is None."""

    body: "Node"
    least: int
    most: int | None
    lazy: bool
    at: int


Node = Atom | Edge | Chain | Choice | Repetition


def quote(character: str) -> str:
    """A character as RE2 writes it, inside and outside of classes."""
    if character.isalnum() and character.isascii():
        return character
    return f"\\x{{{ord(character):x}}}"


def width(node: Node) -> int | None:
    """The longest match in characters; None if there is no limit."""
    match node:
        case Atom():
            return 1
        case Edge():
            return 0
        case Chain(parts):
            widths = [width(part) for part in parts]
            return None if None in widths else sum(w for w in widths if w is not None)
        case Choice(options):
            widths = [width(option) for option in options]
            return None if None in widths else max(w for w in widths if w is not None)
        case Repetition(body, _, most):
            once = width(body)
            return 0 if once == 0 or most == 0 else None if once is None or most is None else once * most


def shortest(node: Node) -> int:
    """The shortest match in characters."""
    match node:
        case Atom():
            return 1
        case Edge():
            return 0
        case Chain(parts):
            return sum(map(shortest, parts))
        case Choice(options):
            return min(map(shortest, options))
        case Repetition(body, least):
            return least * shortest(body)


def is_anchored(node: Node) -> bool:
    """Whether the pattern may ask where a text or a line begins or ends."""
    match node:
        case Edge(source):
            return source not in (r"\b", r"\B")
        case Chain(parts) | Choice(parts):
            return any(map(is_anchored, parts))
        case Repetition(body):
            return is_anchored(body)
        case _:
            return False


def repeats(node: Node) -> list[tuple[int, int]]:
    """The highest count of each repetition, as written, and its place."""
    match node:
        case Chain(parts) | Choice(parts):
            return [found for part in parts for found in repeats(part)]
        case Repetition(body, least, most, _, at):
            return [(max(least, most or 0), at), *repeats(body)]
        case _:
            return []


def atoms(node: Node) -> list[Atom]:
    """All atoms of the tree, in the order of writing."""
    match node:
        case Atom():
            return [node]
        case Chain(parts) | Choice(parts):
            return [atom for part in parts for atom in atoms(part)]
        case Repetition(body):
            return atoms(body)
        case _:
            return []
