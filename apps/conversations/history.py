"""How calls are recognised as one conversation. Pure.

Clients resend the whole history with every call. A digest that runs along the messages names each point of a
conversation: the point up to which a call repeats an earlier one (its `head`, after the last answer of the assistant)
is the point at which that earlier call ended (its `tail`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A message reduced to what a person reads, at its position in the request.

    `said` is the part by which it is recognised when clients send it again, as they leave out reasoning and refusals;
    the text where None.
    """

    position: int
    role: str
    text: str
    said: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands in a conversation.

    `head` is the digest at the end of the last answer that the call repeats (empty at a beginning), `history` is the
    number of messages up to there, and `digest` is that of all its messages.
    """

    head: str
    history: int
    digest: str


def locate(messages: Sequence[Message], *, membership_id: int) -> Place:
    """Find the point up to which the messages repeat a conversation of this member."""
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
