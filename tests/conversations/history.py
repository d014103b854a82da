"""Calls as a course has recorded them, for what looks back at them."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.accounts.models import Membership
from apps.common.ids import first_id
from apps.conversations.models import Call, RuleHit, Turn
from apps.rules.models import Rule

NOW = datetime(2026, 10, 30, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def id_of(at: datetime) -> str:
    """An id as a call of that instant has it."""
    return f"{int(first_id(at), 16) + next(_numbers):032x}"


def recorded(
    member: Membership, *said: tuple[int | None, str], days_ago: float = 1, now: datetime = NOW, **overrides: Any
) -> Call:
    """A call of some days ago with these turns: the position in the request, or None for a piece of the answer."""
    at = now - timedelta(days=days_ago)
    values = {
        "id": id_of(at),
        "course": member.course,
        "membership": member,
        "model": "echo",
        "status": Call.Status.ANSWERED,
        "started_at": at,
        "input_tokens": sum(len(text) for _, text in said) // 4,
    }
    call = Call.objects.create(**{**values, **overrides})
    roles = {position: "user" if position is not None else "assistant" for position, _ in said}
    Turn.objects.bulk_create(
        Turn(call=call, seq=seq, message=position, role=roles[position], text=text)
        for seq, (position, text) in enumerate(said)
    )
    return call


def hit(rule: Rule, call: Call, **overrides: Any) -> RuleHit:
    values = {"name": rule.name, "action": rule.action, "stage": rule.stage, "message": 0, "start": 0, "end": 3}
    return RuleHit.objects.create(**{"rule": rule, "call": call, **values, **overrides})
