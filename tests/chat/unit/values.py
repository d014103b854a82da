"""The values that the stages of the chat path hand on, each with overrides."""

from datetime import UTC, datetime
from typing import Any

from apps.accounts.principals import Principal
from apps.chat.call import ChatCall
from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.common.tracing import begun
from apps.conversations.history import Message
from apps.providers.catalogue import Catalogue, Route, Secret, Target
from apps.rules.rulebook import CompiledRule

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


def a_principal(**overrides: Any) -> Principal:
    values = {
        "key_id": 1,
        "membership_id": 2,
        "course_id": 3,
        "course_slug": "cs101",
        "role": "student",
        "expires_at": None,
        "is_open": True,
        "logging": "full",
        "timezone": "UTC",
        "first_day": 0,
    }
    return Principal(**{**values, **overrides})


def a_target(**overrides: Any) -> Target:
    values = {
        "deployment_id": 1,
        "provider": "first",
        "adapter": "openai",
        "base_url": "http://127.0.0.1:9/v1",
        "upstream_model": "upstream-model",
        "priority": 0,
        "weight": 1,
        "first_byte_timeout": 5.0,
        "plain_timeout": 5.0,
        "stall_timeout": 5.0,
        "total_timeout": 600.0,
        "allow_private": True,
        "output_cap": "max_tokens",
        "secrets": (Secret(id=1, label="main", text="provider-secret", weight=1),),
    }
    return Target(**{**values, **overrides})


def a_route(*targets: Target, **overrides: Any) -> Route:
    values = {
        "name": "model",
        "created": 0,
        "input_weight": 10_000,
        "cached_input_weight": 10_000,
        "output_weight": 10_000,
        "context_window": None,
        "max_output_tokens": 4096,
        "targets": targets,
    }
    return Route(**{**values, **overrides})


def a_catalogue(*routes: Route, allowed: tuple[str, ...] = ("model",)) -> Catalogue:
    return Catalogue(routes={route.name: route for route in routes or (a_route(),)}, allowed={3: frozenset(allowed)})


def a_call(*texts: str, **overrides: Any) -> ChatCall:
    """A call whose messages have these texts, the student and the assistant taking turns."""
    messages = tuple(
        Message(position, "assistant" if position % 2 else "user", text)
        for position, text in enumerate(texts or ("Explain recursion",))
    )
    values = {
        "id": "call",
        "principal": a_principal(),
        "route": a_route(),
        "dialect": OPENAI_CHAT,
        "body": {"model": "model", "messages": [{"role": m.role, "content": m.text} for m in messages]},
        "size": 100,
        "messages": messages,
        "is_stream": False,
        "wants_usage": False,
        "max_output": None,
        "choices": 1,
        "trace": begun(),
    }
    return ChatCall(**{**values, **overrides})


def a_rule(**overrides: Any) -> CompiledRule:
    values = {
        "id": 1,
        "name": "no-homework",
        "pattern": "homework",
        "action": "block",
        "stage": "enforce",
        "priority": 0,
        "message": "Ask for a hint instead.",
        "guidance": "",
    }
    return CompiledRule(**{**values, **overrides})
