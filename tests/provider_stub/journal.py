"""What the stub was asked and what came of it."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Exchange:
    """One request and its answer, filled in while it goes on."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: Any  # parsed JSON; None if it was not JSON
    raw: bytes
    connection: int = 0  # which of the stub's connections it came on, from 1
    sent: list[str] = field(default_factory=list)  # pieces of text that were sent
    bytes_sent: int = 0  # heads and framing included
    usage: dict[str, Any] | None = None  # what was reported, once it was
    finished: bool = False  # answered to the very end
    left: bool = False  # the client closed before that
    begun_at: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event)
    over_at: float = 0.0  # by the monotonic clock, as `begun_at`

    @property
    def call(self) -> str:
        """The id of the call for which the gateway asked."""
        return self.headers.get("x-request-id", "")

    @property
    def text(self) -> str:
        return "".join(self.sent)

    @property
    def tokens(self) -> int:
        """What the answer has cost so far: all of the prompt, and a token for each piece that was sent."""
        prompt = sum(len(str(message.get("content") or "").split()) for message in self.messages)
        return prompt + len(self.sent)

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages
