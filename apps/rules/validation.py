"""What is wrong with a rule, in sentences for its author. Pure."""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Protocol

from apps.common.translation import gettext
from apps.rules import examples
from apps.rules.checksums import CHECKSUMS
from apps.rules.engine import matcher
from apps.rules.examples import Example

MOST_RULES = 1000  # of one course, including those of the institution


class WrittenRule(Protocol):
    """A rule as its author has written it."""

    pattern: str
    checksum: str
    direction: str
    action: str
    starts_at: datetime | None
    ends_at: datetime | None
    weekdays: str
    from_time: time | None
    until_time: time | None
    message: str
    guidance: str
    replacement: str
    examples_match: str
    examples_no_match: str


def complaints(
    rule: WrittenRule, *, others: Sequence[str] | None, excepted: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Sentences by field; none if the rule is valid.

    `others` are the patterns that are searched for together with this one; None if it has been admitted beside them.
    `excepted` are the texts of the rule's exceptions.
    """
    return _of_the_pattern(rule, others, excepted) | _of_the_action(rule) | _of_the_schedule(rule)


def _of_the_pattern(rule: WrittenRule, others: Sequence[str] | None, excepted: frozenset[str]) -> dict[str, str]:
    if others is not None and len(others) >= MOST_RULES:
        return {
            "pattern": gettext("The course has {others} rules already; at most {most_rules} are looked for.").format(
                others=len(others), most_rules=MOST_RULES
            )
        }
    found = (
        {}
        if rule.checksum in ("", *CHECKSUMS)
        else {"checksum": gettext("Choose one of {checksums}.").format(checksums=", ".join(CHECKSUMS))}
    )
    found |= {
        name: sentence
        for name in ("examples_match", "examples_no_match")
        if (sentence := examples.too_much(getattr(rule, name)))
    }
    try:
        matcher.check(rule.pattern) if others is None else matcher.admit(rule.pattern, others)
    except matcher.BadPattern as error:
        return {"pattern": str(error)} | found
    return found or _of_the_examples(rule, excepted)


def _of_the_examples(rule: WrittenRule, excepted: frozenset[str]) -> dict[str, str]:
    tried = examples.tried(
        rule.pattern,
        checksum=rule.checksum,
        match=rule.examples_match,
        no_match=rule.examples_no_match,
        excepted=excepted,
    )
    wrong: dict[str, str] = {}
    for example in tried:
        if not example.is_right:
            wrong.setdefault("examples_match" if example.should_match else "examples_no_match", _wrong(example))
    return wrong


def _wrong(example: Example) -> str:
    if example.should_match and example.is_excepted:
        return gettext(
            "Line {line}: the pattern finds “{text}”, but what it finds stands among the rule’s "
            "exceptions. Remove the exception or the example."
        ).format(line=example.line, text=example.text[:80])
    does = gettext("does not find") if example.should_match else gettext("finds")
    should = gettext("it should") if example.should_match else gettext("it should not")
    return gettext("Line {line}: the pattern {does} “{text}”, and {should}.").format(
        line=example.line, does=does, text=example.text[:80], should=should
    )


def _of_the_action(rule: WrittenRule) -> dict[str, str]:
    if rule.action == "block" and not rule.message.strip():
        return {"message": gettext("Write the sentence that the student reads when this rule blocks.")}
    if rule.action == "redact" and not rule.replacement.strip():
        return {"replacement": gettext("Write what stands in place of what was found, such as [redacted].")}
    if rule.action != "guide":
        return {}
    found = {}
    if not rule.guidance.strip():
        found["guidance"] = gettext("Write what the model is told when this rule matches.")
    if rule.direction != "prompt":
        found["direction"] = gettext(
            "Guidance is given before the model answers, so a guiding rule looks at prompts only."
        )
    return found


def _of_the_schedule(rule: WrittenRule) -> dict[str, str]:
    found = {
        name: gettext("Choose a year from 2000 to 2999. Leave it empty if the rule is to hold without such a limit.")
        for name, instant in (("starts_at", rule.starts_at), ("ends_at", rule.ends_at))
        if instant is not None and not 2000 <= instant.year < 3000
    }
    if rule.starts_at and rule.ends_at and rule.starts_at >= rule.ends_at:
        found["ends_at"] = gettext("The end must be after the start.")
    if rule.from_time is not None and rule.from_time == rule.until_time:
        found["until_time"] = gettext("The hours begin and end at the same time. Leave both empty for the whole day.")
    if set(rule.weekdays) - set("0123456"):
        found["weekdays"] = gettext("Days are digits from 0 (Monday) to 6 (Sunday).")
    return found
