"""What a student is told about rules: the headers of an answer, and the refusals of a prompt or an answer."""

from urllib.parse import quote

from apps.common.errors import BlockedByRule
from apps.rules.rulebook import CompiledRule, Verdict

EARLIER = "This was found in an earlier message of the conversation. Start a new conversation."
STUCK = "It contains something that your course does not let out, at a place where it cannot be replaced. Remove it."
MAX_NOTICE = 1500
NOTE = "Note from your course:"
_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_REFUSING = ("block", "redact")


def refusal(rule: CompiledRule, verdict: Verdict, *, last: int, param: str) -> BlockedByRule:
    """The instructor's message. Says so if all hits are in earlier messages, since clients resend those forever."""
    message = rule.message or "Your course's rules do not allow this request."
    if rule in verdict.stuck:
        message += f" ({STUCK})"
    if _is_earlier(rule, verdict, last=last):
        message += f" ({EARLIER})"
    return BlockedByRule(
        "blocked_by_rule",
        message,
        param=param,
        headers=headers(verdict) | {"x-should-retry": "false"},
        details={"rules": list(verdict.announced), "appeal": HOW},
    )


def headers(verdict: Verdict) -> dict[str, str]:
    """Which rules the student is told about, by id, and the notices of those that did not refuse."""
    rules = verdict.told
    if not rules:
        return {}
    named = {"x-gateway-rules": ",".join(str(rule.id) for rule in rules)}
    notices = [_notice(rule, verdict) for rule in rules if _notices(rule)]
    notice = quote(" | ".join(dict.fromkeys(notices))[:MAX_NOTICE], safe=_SAFE)
    return named | ({"x-gateway-notice": notice} if notice else {})


def below(verdict: Verdict) -> str:
    """The line below an answer: what rules that warn say about the new part of the prompt. Empty if they say nothing.

    Not about earlier parts: clients send those again with every call, and the line would stand below every answer.
    """
    rules = [rule for rule in verdict.told if rule.stage == "warn" and _notices(rule)]
    new = [_notice(rule, verdict) for rule in rules if not _is_earlier(rule, verdict, last=verdict.last)]
    said = " ".join(dict.fromkeys(new))[:MAX_NOTICE]
    return f"\n\n{NOTE} {said}" if said else ""


def _notices(rule: CompiledRule) -> bool:
    """Whether the rule adds a notice to an answer: rules that would refuse or have changed something, and flags."""
    if rule.stage == "warn":
        return rule.action in _REFUSING or bool(rule.message)
    return rule.action in ("redact", "flag") and bool(rule.message)


def _notice(rule: CompiledRule, verdict: Verdict) -> str:
    would = "A rule of your course would have" if rule.stage == "warn" else "A rule of your course has"
    done = "refused this request." if rule.action == "block" else "replaced a part of this request."
    message = " ".join(rule.message.split()) or f"{would} {done}"
    return f"{message} ({EARLIER})" if _is_earlier(rule, verdict, last=verdict.last) else message


def _is_earlier(rule: CompiledRule, verdict: Verdict, *, last: int) -> bool:
    return all(hit.part < last for hit in verdict.hits if hit.rule is rule)


class AnswerBlocked(BlockedByRule):
    """A rule stopped the answer. It was generated and is charged."""

    def __init__(self, rule: CompiledRule) -> None:
        super().__init__(
            "blocked_by_rule",
            rule.message or "Your course's rules do not let this answer pass.",
            headers={"x-should-retry": "false", "x-gateway-rules": str(rule.id)},
            details={"rules": [rule.id], "appeal": HOW},
        )


HOW = {"method": "POST", "path": "/v1/rules/appeals"}  # what a refusal says about appeals
