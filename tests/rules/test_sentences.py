"""A rule in one sentence."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apps.rules.models import Rule
from apps.rules.ready_rules import LIBRARY
from apps.rules.sentences import sentence

NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)  # a Wednesday
MONDAY = datetime(2026, 11, 30, 12, tzinfo=UTC)


def rule(**fields: Any) -> Rule:
    values = {"pattern": "(?i)solve my homework", "message": "Ask for a hint.", "stage": "enforce"}
    return Rule(**{**values, **fields})


SENTENCES = [
    (
        {},
        "Refuses what students send that contains “solve my homework”; says “Ask for a hint.”; enforced since Monday.",
    ),
    ({"direction": "answer"}, "Stops answers of the model that contain “solve my homework”"),
    ({"pattern": "quiz|exam"}, "that contains “quiz” or “exam”;"),
    ({"pattern": "(?s)quiz.*exam|exam.*quiz"}, "that contains “quiz” and “exam”;"),
    ({"pattern": "a|b|c|d|e"}, "that contains “a”, “b”, “c” or 2 more phrases;"),
    ({"pattern": "a+", "examples_match": "\nA aa!\nB"}, "that looks like “A aa!”;"),
    ({"pattern": "a+"}, "that matches the pattern a+;"),
    (
        {"action": "redact", "pattern": "[0-9]+", "checksum": "card", "message": "", "direction": "both"},
        "Replaces payment card numbers in what students send and in answers of the model with “[redacted]”; enforced",
    ),
    ({"action": "redact", "message": ""}, "Replaces “solve my homework” in what students send with “[redacted]”;"),
    (
        {"action": "flag", "message": ""},
        "Marks for staff what students send that contains “solve my homework”; enforced",
    ),
    (
        {"action": "guide", "guidance": "Be a tutor.", "message": ""},
        "Guides the model when a student sends something that contains “solve my homework”; tells it “Be a tutor.”",
    ),
    ({"assignment": "essay-2"}, "; only for the assignment essay-2;"),
    ({"weekdays": "0", "from_time": time(9), "until_time": time(11)}, "; Mondays 9:00 to 11:00;"),
    ({"weekdays": "01234"}, "; Mondays to Fridays;"),
    ({"weekdays": "24"}, "; Wednesdays and Fridays;"),
    ({"from_time": time(22, 30)}, "; daily 22:30 to 0:00;"),
    ({"starts_at": NOW, "ends_at": NOW.replace(day=3)}, "; from 2 Dec 2026 14:00; until 3 Dec 2026 14:00;"),
    ({"stage": "draft"}, "; draft, does nothing yet."),
    ({"stage": "observe"}, "; only observed since Monday."),
    ({"stage": "warn"}, "; only warns since Monday."),
]


@pytest.mark.parametrize(("fields", "said"), SENTENCES, ids=[f"{n}" for n in range(len(SENTENCES))])
def test_it_says_what_the_rule_does(fields: dict[str, Any], said: str) -> None:
    assert said in sentence(rule(**fields), since=MONDAY, now=NOW, zone=ZoneInfo("Europe/Helsinki"))


def test_a_stage_of_long_ago_has_a_date() -> None:
    assert sentence(rule(), since=MONDAY.replace(month=10), now=NOW).endswith("enforced since 30 Oct.")


@pytest.mark.parametrize("ready", LIBRARY, ids=lambda ready: ready.slug)
def test_ready_rules_have_a_bounded_sentence(ready: Any) -> None:
    assert 40 < len(sentence(ready)) < 400


def test_the_sentence_is_bounded_whatever_people_write() -> None:
    long = rule(pattern="x" * 3000, message="y\n" * 400, assignment="z" * 60, examples_match="w" * 400)

    assert len(sentence(long)) < 400
