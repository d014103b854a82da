"""Recognises which calls belong to one conversation. Pure.

Clients resend the whole history with every call. A running digest over the messages identifies each point of a
conversation. A call continues an earlier one if its `head`, the point after the last answer of the assistant that it
repeats, is the `tail` of that call, the point at which it ended.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple


class Message(NamedTuple):
    """A message reduced to its readable text, at its position in the request.

    `said` is the part by which it is recognised when clients resend it, since they leave out reasoning and refusals.
    None means the whole text.
    """

    position: int
    role: str
    text: str
    said: str | None = None


class Place(NamedTuple):
    """The place of a call in a conversation.

    `head` is the digest after the last answer that the call repeats (empty at the start of a conversation). `history`
    is the number of messages up to there. `digest` covers all its messages.
    """

    head: str
    history: int
    digest: str


def locate(messages: Sequence[Message], *, membership_id: int) -> Place:
    """Find how far the messages repeat a conversation of this member."""
    history = max((n + 1 for n, message in enumerate(messages) if message.role == "assistant"), default=0)
    digest, head = str(membership_id), ""
    for number, message in enumerate(messages, start=1):
        digest = extend(digest, message.role, message.text if message.said is None else message.said)
        if number == history:
            head = digest
    return Place(head, history, digest)


def extend(digest: str, role: str, text: str) -> str:
    """The digest after one more message: 32 hexadecimal characters."""
    data = f"{digest}\0{role}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16).hexdigest()
