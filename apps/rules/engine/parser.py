"""Parses patterns of RE2 into trees.

Pure. `parse` understands only what RE2 accepts, so RE2 must compile a pattern first.
"""

import re

from apps.rules.engine.pattern import Atom, BadPattern, Chain, Choice, Edge, Flags, Item, Node, Repetition, quote

MAX_DEPTH = 40

_REPEAT = re.compile(r"(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})(\??)")
_GROUP = re.compile(r"\(\?(?:P?<\w+>|([imsU]*)(?:-([imsU]+))?([:)]))")
_PROPERTY = re.compile(r"\\[pP](?:\{\^?\w+\}|\w)")
_POSIX = re.compile(r"\[:\^?\w+:\]")
_CODE = re.compile(r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|([0-7]{1,3}))")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse(pattern: str) -> Node:
    """The tree of a pattern that RE2 accepts. Raises BadPattern."""
    return _Parser(pattern).whole()


def place(pattern: str, at: int) -> str:
    """A place in the pattern, described for people."""
    return f"at character {at + 1}, near \u201c{pattern[at : at + 12]}\u201d"


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._flags = Flags()

    def whole(self) -> Node:
        node = self._choice()
        if self._at < len(self._pattern):
            raise self._puzzled()
        return node

    def _puzzled(self) -> BadPattern:
        return BadPattern(f"This pattern cannot be understood {place(self._pattern, self._at)}.")

    def _rest(self, text: str) -> bool:
        return self._pattern.startswith(text, self._at)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._pattern, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise self._puzzled()
        self._at += 1
        return self._pattern[self._at - 1]

    def _choice(self) -> Node:
        options = [self._chain()]
        while self._rest("|"):
            self._at += 1
            options.append(self._chain())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _chain(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            if self._rest(r"\Q"):
                parts.extend(self._quoted())
            else:
                parts.append(self._piece())
            if parts:
                parts[-1] = self._repeated(parts[-1])
        return parts[0] if len(parts) == 1 else Chain(tuple(parts))

    def _quoted(self) -> list[Node]:
        end = self._pattern.find(r"\E", self._at)
        text = self._pattern[self._at + 2 : end if end >= 0 else None]
        self._at = end + 2 if end >= 0 else len(self._pattern)
        return [self._literal(character) for character in text]

    def _repeated(self, node: Node) -> Node:
        at = self._at
        match = self._take(_REPEAT)
        if match is None:
            return node
        sign, least, comma, most, lazy = match.groups()
        low = {"*": 0, "+": 1, "?": 0}[sign] if sign else int(least)
        high = {"*": None, "+": None, "?": 1}[sign] if sign else int(most) if most else None if comma else low
        return self._repeated(Repetition(node, low, high, bool(lazy) != self._flags.ungreedy, at))

    def _piece(self) -> Node:
        if self._rest("("):
            return self._group()
        if self._rest("["):
            return self._class()
        if self._rest("\\"):
            return self._escape()
        character = self._next()
        if character == ".":
            return Atom(".", () if self._flags.dot_all else (Item("\n", "\n"),), True, self._flags)
        if character in "^$":
            absolute = {"^": r"\A", "$": r"\z"}[character]
            return Edge(f"(?m:{character})" if self._flags.multiline else absolute)
        return self._literal(character)

    def _literal(self, character: str) -> Atom:
        return Atom(quote(character), (Item(character, character),), False, self._flags)

    def _group(self) -> Node:
        before = self._flags
        match = self._take(_GROUP)
        if match is None:
            self._at += 1
        elif match.group(3):
            self._flags = _changed(before, match.group(1), match.group(2) or "")
            if match.group(3) == ")":
                return Chain(())
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadPattern(f"More than {MAX_DEPTH} groups are nested {place(self._pattern, self._at)}.")
        node = self._choice()
        if self._next() != ")":
            raise self._puzzled()
        self._depth -= 1
        self._flags = before
        return node

    def _escape(self) -> Node:
        kind = self._pattern[self._at + 1 : self._at + 2]
        if kind in ("A", "z", "b", "B"):
            self._at += 2
            return Edge("\\" + kind)
        if kind == "C":
            raise BadPattern(f"\\C matches half a character {place(self._pattern, self._at)}. Use . for any character.")
        start = self._at
        item = self._item()
        return Atom(self._pattern[start : self._at] if item.name else quote(item.first), (item,), False, self._flags)

    def _class(self) -> Node:
        start = self._at
        self._at += 1
        negated = self._rest("^")
        self._at += negated
        items: list[Item] = []
        while not self._rest("]") or not items:
            item = self._item()
            if not item.name and self._rest("-") and not self._rest("-]"):
                self._at += 1
                item = Item(item.first, self._item().first)
            items.append(item)
        self._at += 1
        return Atom(self._pattern[start : self._at], tuple(items), negated, self._flags)

    def _item(self) -> Item:
        """One item of a class, or an escape outside of a class."""
        named = self._take(_POSIX) or self._take(_PROPERTY)
        if named is not None:
            return Item("", "", named.group())
        coded = self._take(_CODE)
        if coded is not None:
            digits, base = (coded.group(3), 8) if coded.group(3) else (coded.group(1) or coded.group(2), 16)
            return Item(chr(int(digits, base)), chr(int(digits, base)))
        character = self._next()
        if character == "\\":
            kind = self._next()
            if kind in "dDsSwW":
                return Item("", "", "\\" + kind)
            character = _CONTROLS.get(kind, kind)
        return Item(character, character)


def _changed(flags: Flags, on: str, off: str) -> Flags:
    names = {"i": "fold", "m": "multiline", "s": "dot_all", "U": "ungreedy"}
    return flags._replace(**{names[f]: True for f in on}, **{names[f]: False for f in off})
