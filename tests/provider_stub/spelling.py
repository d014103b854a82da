"""The forms in which providers write errors.

Sentences hold words that must never get out: SECRET stands for our key, PRIVATE for the student's text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECRET, PRIVATE = "sk-SECRET", "my private essay"


@dataclass(frozen=True, slots=True)
class Spelling:
    """A response with an error, with the reason and code that Stoa finds in it."""

    status: int
    body: Any  # JSON, or text
    reason: str
    code: str = ""
    param: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float | None = None

    @property
    def raw(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def openai(message: str, *, code: Any = None, kind: str = "invalid_request_error", param: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def vllm(message: str, *, kind: str = "BadRequestError", code: Any = 400) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def anthropic(message: str, *, kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def gemini(message: str, *, code: int, status: str, details: Any = ()) -> list[dict[str, Any]]:
    return [{"error": {"code": code, "message": message, "status": status, "details": list(details)}}]


def openrouter(message: str, *, code: int, metadata: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}}


def pydantic(kind: str, *place: Any, said: str = "Extra inputs are not permitted") -> dict[str, Any]:
    return {"detail": [{"type": kind, "loc": list(place), "msg": said, "input": PRIVATE}]}


HTML = "<html><head><title>Error</title></head><body><center>nginx</center></body></html>"
