"""Rules at work on a prompt: the verdict, the refusal, and the guidance that is added."""

import asyncio
from collections.abc import Mapping
from typing import Any

from apps.chat import appealing
from apps.chat.parsing import ChatCall
from apps.common.errors import BlockedByRule, Unavailable
from apps.rules.engine import EngineFailed
from apps.rules.rulebook import ALL_COURSES, NO_RULES, CompiledRule, Rulebook, Verdict

THREAD_ABOVE = 32_768  # characters; shorter texts take less time than handing them to a thread


class RulesUnavailable(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "rules_unavailable", "Your course's rules cannot be checked at the moment, so nothing can be answered."
        )


async def screen(call: ChatCall, books: Mapping[int | None, Rulebook | None]) -> Verdict:
    """What the course's rules say of the prompt. Raises RulesUnavailable rather than let anything pass unchecked."""
    course: int | None = call.principal.course_id
    if course not in books:
        course = ALL_COURSES
    if course not in books:
        return NO_RULES
    book = books[course]
    if book is None:
        raise RulesUnavailable
    parts = [message.text for message in call.messages]
    try:
        if sum(map(len, parts)) > THREAD_ABOVE:
            return await asyncio.to_thread(book.screen, parts)
        return book.screen(parts)
    except EngineFailed as error:
        raise RulesUnavailable from error


def refusal(rule: CompiledRule, verdict: Verdict, *, last: int) -> BlockedByRule:
    """The instructor's sentence. A hit only in earlier messages is explained: clients resend them for ever."""
    message = rule.message
    if all(hit.part < last for hit in verdict.hits if hit.rule is rule):
        message += " (This was found in an earlier message of the conversation. Start a new conversation.)"
    return BlockedByRule(
        "content_policy_violation",
        message,
        param="messages",
        headers=headers(verdict) | {"x-should-retry": "false"},
        details={"rules": list(verdict.announced), "appeal": appealing.HOW},
    )


def headers(verdict: Verdict) -> dict[str, str]:
    ids = verdict.announced
    return {"x-gateway-rules": ",".join(map(str, ids))} if ids else {}


def with_guidance(messages: list[dict[str, Any]], guidance: tuple[str, ...]) -> list[dict[str, Any]]:
    """The messages with the guidance as system messages behind the client's own, so that it has the last word."""
    if not guidance:
        return messages
    place = 0
    while place < len(messages) and messages[place]["role"] in ("system", "developer"):
        place += 1
    added = [{"role": "system", "content": text} for text in guidance]
    return [*messages[:place], *added, *messages[place:]]
