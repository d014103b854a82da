"""What the engine makes of disguises, of harmless texts and of patterns that take others forever."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from apps.rules.checksums import CHECKSUMS
from apps.rules.engine.matcher import BadPattern, Matcher, admit, check, fold
from apps.rules.engine.re2_limits import compiled_set
from apps.rules.engine.worst_case import hostile_texts
from apps.rules.ready_rules import LIBRARY

CORPORA = Path(__file__).parent / "corpora"


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPORA / name).read_text().splitlines()]


EVASIONS = lines("evasions.jsonl")
NEAR_MISSES = lines("near_misses.jsonl")
CATASTROPHIC = (CORPORA / "catastrophic.txt").read_text().splitlines()
MATCHER = Matcher([rule.pattern for rule in LIBRARY], [CHECKSUMS.get(rule.checksum) for rule in LIBRARY])
SLUGS = [rule.slug for rule in LIBRARY]


def slugs(text: str) -> list[str]:
    return [SLUGS[position] for position in MATCHER.found(text)]


def test_the_corpora_are_large() -> None:
    assert len(EVASIONS) >= 150
    assert len(NEAR_MISSES) >= 150
    assert len(CATASTROPHIC) >= 60


@pytest.mark.parametrize("number", range(len(EVASIONS)), ids=lambda n: f"{EVASIONS[n]['rule']}, {EVASIONS[n]['how']}")
def test_a_disguise_is_seen_through(number: int) -> None:
    evasion = EVASIONS[number]

    assert evasion["rule"] in slugs(evasion["text"])


@pytest.mark.parametrize("neighbours", [(), ("Hello", "is it?"), ("Käse", ""), ("- a b c", "d e f")], ids=repr)
def test_no_glance_overlooks_a_disguise(neighbours: tuple[str, ...]) -> None:
    for evasion in EVASIONS:
        before, after = neighbours[:1], neighbours[1:]
        assert not MATCHER.finds_nothing([*before, evasion["text"], *after]), evasion


def test_a_glance_is_enough_for_many_harmless_texts() -> None:
    texts = [near["text"] for near in NEAR_MISSES]

    assert sum(MATCHER.finds_nothing([text]) for text in texts) > len(texts) / 2


def test_what_is_found_in_a_disguise_can_be_cut_out() -> None:
    """Cutting the spans out leaves a text in which the rule finds nothing more, and the rest as it was."""
    for evasion in EVASIONS:
        position = SLUGS.index(evasion["rule"])
        text = f"Before.\n\n{evasion['text']}\n\n\u2014 After."
        spans = MATCHER.spans(position, text, most=1000)
        redacted = text
        for span in reversed(spans):
            redacted = redacted[: span.start] + redacted[span.end :]
        assert position not in MATCHER.found(redacted), evasion
        assert redacted.startswith("Before"), evasion
        assert redacted.endswith("After."), evasion


@pytest.mark.parametrize("number", range(len(NEAR_MISSES)), ids=lambda n: NEAR_MISSES[n]["text"][:30])
def test_a_harmless_text_is_let_alone(number: int) -> None:
    assert slugs(NEAR_MISSES[number]["text"]) == []


def test_harmless_texts_stay_harmless_side_by_side() -> None:
    for about in {miss["about"] for miss in NEAR_MISSES}:
        assert slugs(".\n\n".join(miss["text"] for miss in NEAR_MISSES if miss["about"] == about)) == []


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_catastrophic_pattern_is_refused_or_quick(pattern: str) -> None:
    """Figures are the benchmark's business: what would take forever takes more than these seconds."""
    try:
        admit(pattern)
    except BadPattern as refused:
        assert len(str(refused)) > 20
        return
    together = compiled_set([pattern])
    haystacks = [(text * 4)[:100_000].encode() for text in hostile_texts(pattern)[:4]]

    started = time.thread_time()
    for haystack in haystacks:
        together.Match(haystack)

    assert time.thread_time() - started < 1.0


@pytest.mark.parametrize("rule", LIBRARY, ids=lambda rule: rule.slug)
def test_a_ready_rule_does_what_it_says(rule: Any) -> None:
    matcher = Matcher([rule.pattern], [CHECKSUMS.get(rule.checksum)])

    check(rule.pattern)
    assert [text for text in rule.matches if not matcher.found(text)] == []
    assert [text for text in rule.misses if matcher.found(text)] == []


@pytest.mark.parametrize("rule", LIBRARY, ids=lambda rule: rule.slug)
def test_a_ready_rule_is_complete(rule: Any) -> None:
    says = {"block": rule.message, "guide": rule.guidance, "redact": rule.replacement, "flag": "staff"}

    assert says[rule.action]
    assert rule.direction == "prompt" or rule.action != "guide"
    assert rule.checksum == "" or rule.checksum in CHECKSUMS
    assert rule.purpose.endswith(".")
    assert len(rule.matches) >= 1
    assert len(rule.misses) >= 3
    assert not any("\n" in example for example in rule.matches + rule.misses)


def test_ready_rules_have_names_of_their_own_and_fit_into_one_set() -> None:
    assert len(set(SLUGS)) == len(SLUGS)

    cost = admit(LIBRARY[0].pattern, [rule.pattern for rule in LIBRARY[1:]])

    assert cost.size < 2_000


def test_a_fold_can_be_used_for_many_questions() -> None:
    folded = fold("Solve\u200b my homework")

    assert [SLUGS[position] for position in MATCHER.found(folded)] == ["homework-english"]
    assert MATCHER.spans(SLUGS.index("homework-english"), folded)
