"""What the stub was asked and what came of it."""

import threading
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
    sent: list[str] = field(default_factory=list)  # pieces of text that were sent
    usage: dict[str, Any] | None = None  # what was reported, once it was
    finished: bool = False  # answered to the very end
    left: bool = False  # the client closed before that
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages
