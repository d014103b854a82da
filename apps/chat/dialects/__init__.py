"""Dialects: the formats in which students ask, by the address under /v1 at which they do."""

from collections.abc import Mapping

from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.dialects.protocol import Dialect

DIALECTS: Mapping[str, Dialect] = {"/chat/completions": OPENAI_CHAT}
