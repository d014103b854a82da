r"""Unicode words for RE2, whose `\b`, `\w`, `\d` and `\s` know only ASCII.

In a text that is all ASCII they are right, and text and pattern are left alone. Any other text is spelled out so that
they become right, and the pattern is spelled out in the same way:

    a character that is ASCII                        as it is
    another letter, digit or mark; the underscore    `_`, \x01, the character, `_`
    any other character                              \x02, the character

An underscore is a word character and \x02 is none, so boundaries are exactly where they were before. No spelling begins
inside another, so a match begins and ends between characters. This is exact wherever a boundary stands in a pattern,
and needs a few instructions where a list of all letters takes 1,400.
"""

import unicodedata
from functools import lru_cache

import re2

from apps.rules.engine.pattern import Atom, Chain, Choice, Edge, Item, Node, Repetition, quote

_ASCII = "".join(map(chr, range(0x80)))
_SPELLED = {"_", "\x01", "\x02"}  # "_" is spelled out, and the last two only mark spellings
_NOTHING = r"[^\x00-\x{10ffff}]"
_ANY = r"\x00-\x{10ffff}"
_SPACES = r"\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_NO_SPACES = (
    r"\x{80}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}"
    r"\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff}"
)
# What the names match beyond ASCII: among letters, digits and marks, and among all other characters.
_NAMES = {
    r"\w": (_ANY, ""),
    r"\W": ("", _ANY),
    r"\d": (r"\p{Nd}", ""),
    r"\D": (r"\P{Nd}", _ANY),
    r"\s": ("", _SPACES),
    r"\S": (_ANY, _NO_SPACES),
}


def spell_text(text: str) -> str:
    """Spell out a text that is not all ASCII."""
    return text.translate({ord(character): _spelled(character) for character in set(text)})


@lru_cache(maxsize=8192)
def _spelled(character: str) -> str:
    if character in "\x01\x02":
        return "\x03"
    if character != "_" and character.isascii():
        return character
    is_word = character in "_\u200c\u200d" or unicodedata.category(character)[0] in "LNM"
    return f"_\x01{character}_" if is_word else f"\x02{character}"


def count(spelled: bytes) -> int:
    """How many characters of the text these complete spellings stand for."""
    return len(spelled.decode()) - 3 * spelled.count(b"\x01") - spelled.count(b"\x02")


def spell_pattern(node: Node) -> str:
    """The pattern that finds in a spelled-out text what the tree finds in the text itself."""
    match node:
        case Atom():
            return _atom(node)
        case Edge(source):
            return source
        case Chain(parts):
            return "".join(_grouped(part) if isinstance(part, Choice) else spell_pattern(part) for part in parts)
        case Choice(options):
            return "|".join(spell_pattern(option) for option in options)
        case Repetition(body, least, most, lazy):
            exactly = f"{{{least},{'' if most is None else most}}}"
            times = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most), exactly)
            once = spell_pattern(body) if isinstance(body, Atom) else _grouped(body)
            return f"{once}{times}{'?' if lazy else ''}"


def _grouped(node: Node) -> str:
    return f"(?:{spell_pattern(node)})"


@lru_cache(maxsize=4096)
def _atom(atom: Atom) -> str:
    """One character: the ASCII that it may be, the other word characters, and the other signs."""
    ascii_part = _ranges(sorted(_matched(atom, _ASCII) - _SPELLED))
    words, signs = (_class(atom, among) for among in (0, 1))
    options = [
        ascii_part,
        f"_\\x01{words}_" if words else "",
        f"\\x02{signs}" if signs else "",
    ]
    used = [option for option in options if option]
    if used == [ascii_part]:
        return ascii_part
    return f"(?:{'|'.join(used)})" if used else _NOTHING


def _ranges(characters: list[str]) -> str:
    """A class of these characters; empty if there are none."""
    if len(characters) < 2:
        return "".join(map(quote, characters))
    runs: list[list[str]] = []
    for character in characters:
        if runs and ord(runs[-1][1]) + 1 == ord(character):
            runs[-1][1] = character
        else:
            runs.append([character, character])
    return f"[{''.join(f'{quote(first)}-{quote(last)}' for first, last in runs)}]"


def _matched(atom: Atom, characters: str) -> set[str]:
    """Which of the characters match, as RE2 itself says."""
    flags = f"(?{'i' * atom.flags.fold}{'s' * atom.flags.dot_all})".replace("(?)", "")
    return set("".join(match.group() for match in re2.finditer(flags + atom.source, characters)))


def _class(atom: Atom, among: int) -> str:
    """A class of the characters beyond ASCII that match, those in words (0) or the others (1); empty if none do."""
    if not atom.negated and all(item.last.isascii() and not item.name for item in atom.items):
        return _of_ascii(atom) if among == 0 else ""
    listed = "".join(_listed(item, among) for item in atom.items)
    if not listed or (atom.negated and _ANY in listed):
        return f"[{_ANY}]" if atom.negated and not listed else ""
    chosen = f"[{'^' * atom.negated}{listed}]"
    return f"(?i:{chosen})" if atom.flags.fold else chosen


def _of_ascii(atom: Atom) -> str:
    """What a class of ASCII only matches beyond it: the underscore, and the other lower cases of K and S."""
    others = "".join(sorted(_matched(atom, "_\u017f\u212a")))
    return f"[{others}]" if others else ""


def _listed(item: Item, among: int) -> str:
    if not item.name:
        return f"{quote(item.first)}-{quote(item.last)}"
    return _NAMES[item.name][among] if item.name in _NAMES else item.name
