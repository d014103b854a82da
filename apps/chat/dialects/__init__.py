"""Dialects: the formats of the student API, by their path under /v1."""

from collections.abc import Mapping

from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.dialects.protocol import Dialect

DIALECTS: Mapping[str, Dialect] = {"/chat/completions": OPENAI_CHAT}
