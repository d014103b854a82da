"""Hostile texts for a pattern, and the time that it takes for them on a machine that may be busy."""

import random
import time
from collections.abc import Callable, Sequence
from functools import cache

from apps.rules.engine.parser import parse
from apps.rules.engine.pattern import Atom, Chain, Choice, Edge, Node, Repetition, atoms
from apps.rules.engine.re2_limits import compiled_set
from apps.rules.engine.unicode_words import spell_pattern, spell_text

TEXTS = 24
TEXT_SIZE = 32 * 1024  # bytes
_POOL = 200
_TRIES = 3
_OTHERS = " a1-ä\u2014"
_NAMED = {r"\w": "a1_ä", r"\d": "17", r"\s": " \n", r"\W": " -", r"\D": "a ", r"\S": "a-"}
_REFERENCE_MILLISECONDS = 3.5  # time of the reference on the machine on which the limits were set


def hostile_texts(pattern: str) -> list[str]:
    """Long texts of matches, of near-misses, of the pattern's letters, and of its words with gaps between."""
    node = parse(pattern)
    chance = random.Random(pattern)  # noqa: S311 - the same texts each time
    alphabet = sorted({character for atom in atoms(node) for character in _characters(atom)})
    samples = [_sample(node, chance) for _ in range(8)]
    words = [word for word in _words(node) if len(word) > 1] or alphabet
    few = chance.sample(alphabet, min(3, len(alphabet)))
    kinds: list[Callable[[], str]] = [
        lambda: chance.choice(alphabet),
        lambda: chance.choice(few),
        lambda: chance.choice(samples)[: -chance.randint(1, 2)] + chance.choice(_OTHERS),
        lambda: chance.choice(samples)[:-1] + chance.choice(alphabet),
        lambda: chance.choice(words) + "x" * chance.randint(0, 8),
        lambda: chance.choice(words) + chance.choice(alphabet) * chance.randint(0, 4),
        lambda: chance.choice(words[:1] + few),
        lambda: chance.choice(words)[:-1] + chance.choice([" ", ""]),
    ]
    texts = [_grown(kind, chance, plain=number % 3 < 2) for number, kind in enumerate(kinds * 3)]
    return [samples[0] * (TEXT_SIZE // max(len(samples[0]), 1)), alphabet[0] * TEXT_SIZE, *texts][:TEXTS]


def _grown(kind: Callable[[], str], chance: random.Random, *, plain: bool) -> str:
    """A long text of such pieces. Unless `plain`, it begins with an accent, so that it is not all ASCII."""
    pool = [kind() or " " for _ in range(_POOL)]
    times = _POOL * TEXT_SIZE // sum(len(piece.encode()) for piece in pool) + 1
    return ("" if plain else "é") + "".join(chance.choices(pool, k=times))


def _sample(node: Node, chance: random.Random, extra: int = 8) -> str:
    """A text that the pattern matches, or nearly. Nested repetitions are repeated less."""
    match node:
        case Atom():
            return chance.choice(_characters(node))
        case Edge():
            return ""
        case Chain(parts):
            return "".join(_sample(part, chance, extra) for part in parts)
        case Choice(options):
            return _sample(chance.choice(options), chance, extra)
        case Repetition(body, least, most):
            often = least + extra if most is None else min(most, least + extra)
            return "".join(_sample(body, chance, extra // 4) for _ in range(chance.randint(least, often)))


def _characters(atom: Atom) -> list[str]:
    """A few characters that the atom matches."""
    listed = [
        end for item in atom.items for end in (_NAMED.get(item.name, "aZ") if item.name else item.first + item.last)
    ]
    return (
        [character for character in _OTHERS if character not in listed] or ["x"]
        if atom.negated
        else sorted(set(listed))
    )


def _words(node: Node) -> list[str]:
    """The runs of single characters in the pattern, in the order of writing."""
    match node:
        case Chain(parts):
            words, run = [], ""
            for part in parts:
                if isinstance(part, Atom):
                    run += _characters(part)[0]
                else:
                    words += [run, *_words(part)]
                    run = ""
            return [word for word in [*words, run] if word]
        case Choice(options):
            return [word for option in options for word in _words(option)]
        case Repetition(body):
            return _words(body)
        case _:
            return []


def worst_milliseconds(patterns: Sequence[str], texts: Sequence[str], enough: float) -> float:
    """The milliseconds that a fresh set of the patterns takes for the worst of the texts.

    Only time of this thread counts, not that of other processes. A time above `enough` is measured again, relative to
    the machine's present speed; if it stays above, the rest is not measured.
    """
    run = _TimedSearch(patterns)
    worst = 0.0
    for text in texts:
        taken = run(text)
        for _ in range(_TRIES - 1):
            if taken > enough:
                taken = min(taken, _TimedSearch(patterns)(text) / slowness())
        worst = max(worst, taken)
        if worst > enough:
            break
    return worst


class _TimedSearch:
    def __init__(self, patterns: Sequence[str]) -> None:
        self._native = compiled_set(patterns)
        self._spelled = compiled_set([spell_pattern(parse(pattern)) for pattern in patterns])

    def __call__(self, text: str) -> float:
        chosen, haystack = (self._native, text) if text.isascii() else (self._spelled, spell_text(text))
        data = haystack.encode()
        started = time.thread_time()
        chosen.Match(data)
        return (time.thread_time() - started) * 1e3


def slowness() -> float:
    """How much slower than usual the machine is at the moment; at least 1."""
    started = time.thread_time()
    compiled_set(["x.{0,20}y"]).Match(_reference())
    return max(1.0, (time.thread_time() - started) * 1e3 / _REFERENCE_MILLISECONDS)


@cache
def _reference() -> bytes:
    chance = random.Random(1)  # noqa: S311 - the same text each time
    return "".join(chance.choice("xyza") for _ in range(4_000)).encode()
