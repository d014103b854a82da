"""Patterns are prepared once, shared while somebody holds them, and then forgotten."""

import gc
import weakref

import pytest
import re2

from apps.rules.engine.compiled import prepared
from apps.rules.engine.matcher import Matcher, width
from apps.rules.engine.pattern import BadPattern
from tests import factories


def a_pattern() -> str:
    """One that no other test has."""
    return rf"\b{factories.unique('word')}\b"


def test_a_pattern_that_is_in_use_is_prepared_only_once() -> None:
    source = a_pattern()

    held = prepared(source)

    assert prepared(source) is held


def test_another_pattern_is_another() -> None:
    one, other = prepared("(?i)cat"), prepared("cat")

    assert one is not other


def test_a_pattern_that_nobody_holds_is_forgotten() -> None:
    remembered = weakref.ref(prepared(a_pattern()))

    gc.collect()

    assert remembered() is None


def test_a_set_of_patterns_holds_them() -> None:
    source = a_pattern()
    matcher = Matcher([source])

    remembered = weakref.ref(prepared(source))
    assert remembered() is not None

    del matcher
    gc.collect()
    assert remembered() is None


@pytest.mark.parametrize(("source", "error"), [("(never-closed", re2.error), (r"a\C", BadPattern)])
def test_a_broken_pattern_is_refused_each_time(source: str, error: type[Exception]) -> None:
    for _ in range(2):
        with pytest.raises(error):
            prepared(source)


def test_a_broken_pattern_does_not_spoil_those_that_are_in_use() -> None:
    source = "cat"
    matcher = Matcher([source, "dog"])

    with pytest.raises(re2.error):
        Matcher([source, "(never-closed"])

    assert matcher.found("the cat") == [0]


def test_the_width_of_a_pattern_in_use_is_known() -> None:
    source = r"\d{3}-\d{2,4}"
    matcher = Matcher([source])

    assert width(source) == 8
    assert matcher.found("call 123-4567") == [0]
