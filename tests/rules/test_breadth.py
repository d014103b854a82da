"""Patterns that are found in nearly any text, and times in which a rule recorded."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.rules.breadth import too_broad
from apps.rules.ready_rules import LIBRARY
from apps.rules.recording import Stretch, stretches

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize("pattern", [".+", r"\w", "(?s).", "[a-z]", r"(?i)\pL+", "e", r"\s"])
def test_a_pattern_that_is_found_in_nearly_any_text_is_named(pattern: str) -> None:
    assert "nearly any text" in too_broad(pattern)


def test_a_pattern_for_something_is_not() -> None:
    broad = [ready.slug for ready in LIBRARY if too_broad(ready.pattern, checksum=ready.checksum)]

    assert broad == []
    assert too_broad("homework") == ""


def test_check_digits_make_a_wide_pattern_narrow() -> None:
    assert too_broad(".+", checksum="luhn") == ""


def test_a_rule_records_while_it_is_no_draft_and_finds_the_same() -> None:
    days = [MONDAY + timedelta(days=n) for n in range(6)]
    fields = [("draft", "a"), ("observe", "a"), ("warn", "a"), ("draft", "a"), ("enforce", "a"), ("enforce", "b")]
    versions = [(day, {"stage": stage, "pattern": pattern}) for day, (stage, pattern) in zip(days, fields, strict=True)]

    assert stretches(versions, same={"pattern": "a"}) == [Stretch(days[1], days[3]), Stretch(days[4], days[5])]
    assert stretches(versions, same={"pattern": "b"}) == [Stretch(days[5], None)]
