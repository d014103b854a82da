"""Asking for tokens over Django's client."""

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Issued:
    access: str
    refresh: str


def post(path: str, body: Any = None, *, raw: bytes | None = None, content_type: str = JSON, **headers: str) -> Any:
    content = raw if raw is not None else json.dumps(body).encode()
    return Client(raise_request_exception=False).post(f"/auth/{path}", content, content_type, headers=headers)


def issue(**credentials: Any) -> Issued:
    return issued(post("token", credentials))


def refresh(text: str) -> Any:
    return post("refresh", {"refresh_token": text})


def logout(text: str) -> Any:
    return post("logout", {"refresh_token": text})


def issued(answer: Any) -> Issued:
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in"}
    return Issued(body["access_token"], body["refresh_token"])


def is_refused(answer: Any) -> bool:
    """Whether this is the one refusal; another one is a failure."""
    if answer.status_code < 300:
        return False
    assert seen(answer) == seen(post("token", {}))
    return True


def seen(answer: Any) -> tuple[int, str, str, bytes]:
    """What a client sees of an answer, but for the request's id."""
    body = answer.content.replace(answer.headers["x-request-id"].encode(), b"")
    return answer.status_code, answer.headers["www-authenticate"], answer.headers["content-type"], body
