"""Bodies of requests, and the calls that they become."""

import json
from typing import Any

from apps.chat.call import ChatCall, parse
from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.providers.catalogue import Catalogue
from tests.chat.unit.values import a_catalogue, a_principal

GOOD: dict[str, Any] = {"model": "model", "messages": [{"role": "user", "content": "Hello"}]}

USER = {"role": "user", "content": "Hello"}


def parsed(body: Any, *, catalogue: Catalogue | None = None) -> ChatCall:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse(raw, OPENAI_CHAT, id="call", principal=a_principal(), catalogue=catalogue or a_catalogue())


def with_message(message: Any) -> dict[str, Any]:
    return {**GOOD, "messages": [message]}
