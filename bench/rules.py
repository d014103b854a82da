"""`python -m bench.rules`: what it costs to look for a thousand rules in a long prompt, and how that holds the loop.

Times are of the thread that works, so that a busy machine does not count twice; the loop's are by the clock.
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from apps.rules.engine.matcher import BadPattern, Folded, Matcher, admit, fold
from apps.rules.engine.re2_limits import compiled_set
from apps.rules.engine.worst_case import hostile_texts
from apps.rules.ready_rules import LIBRARY
from bench import swap
from bench.lateness import lateness

SIZE = 32_000
RULES = 1_000
CORPUS = Path("tests/rules/corpora/catastrophic.txt")
chance = random.Random(1)
WORDS = [
    "".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(chance.randint(4, 9))) for _ in range(3_000)
]


def rules(number: int) -> list[str]:
    """As instructors write them: words at word boundaries, gaps, numbers."""
    made = []
    for index in range(number):
        a, b, c = chance.sample(WORDS, 3)
        forms = (
            rf"(?i)\b{a}\s+{b}\b",
            rf"(?i)\b(?:{a}|{b})\b.*\b{c}\b",
            rf"\b{a}-\d{{4}}\b",
            rf"(?i){a}\W+(?:my|the)\W+{b}",
            a + b,
        )
        made.append(forms[index % len(forms)])
    return made


def text(words: Sequence[str], size: int = SIZE, between: str = " ") -> str:
    """So many bytes of such words."""
    parts, length = [], 0
    while length < size:
        parts.append(chance.choice(words))
        length += len((parts[-1] + between).encode())
    return between.join(parts)


def thread_milliseconds(work: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """The first time and the best of the others."""
    taken = []
    for _ in range(times):
        started = time.thread_time()
        work()
        taken.append((time.thread_time() - started) * 1e3)
    return taken[0], min(taken[1:])


def texts() -> dict[str, str]:
    plain = ["the", "quick", "brown", "fox", "and", "then", "it", "ran"]
    return {
        "prose, no rule hits": text(plain),
        "prose in paragraphs": text([*plain, "end.\n\nNew"]),
        "code, no rule hits": text(["def f(x):\n    return", "if x:\n        y =", "1", "x + 1"], between=" "),
        "Russian, no rule hits": text(["привет", "как", "дела", "ещё"]),
        "curly quotes, no rule hits": text([*plain, "“so”", "don’t"]),
        "made of the rules' words": text(WORDS),
        "the same with dashes": text(WORDS, between=" — "),
        "the same with accents": text([word.replace("a", "ä") for word in WORDS]),
        "mixed scripts": text(["hоmеwоrk", "аa", "wоrd"]),
        "random letters of all scripts": "".join(chr(chance.randrange(0x80, 0x7FF)) for _ in range(SIZE // 2)),
    }


def figures() -> None:
    started = time.thread_time()
    patterns = rules(RULES)
    matcher = Matcher(patterns)
    print(f"{RULES} rules compile in {(time.thread_time() - started) * 1e3:.0f} ms")
    print(f"{'32 kB of':32} {'fold':>8} {'all, first':>11} {'all, then':>10} {'64 kB':>8}   rules found")
    for name, prompt in texts().items():
        folding = thread_milliseconds(lambda prompt=prompt: fold(prompt))[1]  # type: ignore[misc]
        first, then = thread_milliseconds(lambda prompt=prompt: matcher.found(prompt))  # type: ignore[misc]
        double = thread_milliseconds(lambda prompt=prompt: matcher.found(prompt + " " + prompt))[1]  # type: ignore[misc]
        found = len(matcher.found(prompt))
        print(f"{name:32} {folding:5.2f} ms {first:8.1f} ms {then:7.1f} ms {double:5.1f} ms   {found}")
    few = Matcher([rule.pattern for rule in LIBRARY])
    prompt = texts()["prose in paragraphs"]
    print(f"{len(LIBRARY)} ready rules, 4 kB: {thread_milliseconds(lambda: few.found(prompt[:4000]))[1]:.2f} ms")
    loop_held(matcher)


def loop_held(matcher: Matcher) -> None:
    """A loop that wants to wake every millisecond while a thread looks for the rules; first, while it sleeps."""
    print(f"loop held, {'nothing, to compare':32} {lateness(lambda: time.sleep(0.1))}")
    for name, prompt in texts().items():
        print(f"loop held, {name:32} {lateness(partial(again, matcher, prompt), runs=3)}")
        print(f"loop held, {'  folded before':32} {lateness(partial(again, matcher, fold(prompt)), runs=3)}")


def again(matcher: Matcher, prompt: str | Folded) -> None:
    for _ in range(10):
        matcher.found(prompt)


def catastrophic() -> None:
    """Every pattern of the corpus: refused, or the worst of its hostile texts at 100 kB."""
    refused, worst = 0, []
    for pattern in CORPUS.read_text().splitlines():
        try:
            admit(pattern)
        except BadPattern:
            refused += 1
            continue
        slowest = 0.0
        for hostile in hostile_texts(pattern)[::3]:
            together, haystack = compiled_set([pattern]), (hostile * 4)[:100_000].encode()
            started = time.thread_time()
            together.Match(haystack)
            slowest = max(slowest, (time.thread_time() - started) * 1e3)
        worst.append((slowest, pattern))
    worst.sort(reverse=True)
    print(f"catastrophic patterns: {refused} refused, {len(worst)} run; the slowest on 100 kB:")
    for taken, pattern in worst[:5]:
        print(f"  {taken:6.1f} ms  {pattern}")


if __name__ == "__main__":
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    figures()
    catastrophic()
    swap.figures(patterns=rules, rules=RULES, prompt=texts()["the same with accents"])
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
