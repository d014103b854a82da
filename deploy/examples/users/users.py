"""An example service: users that are created, read, updated and deleted. docs/services.md puts it behind Stoa.

    python -m uvicorn --app-dir deploy/examples/users users:app --port 9300

Any number of instances may share one file, which USERS_FILE names.
"""

import functools
import json
import os
import sqlite3
from typing import Any

MOST_BYTES = 100_000
Answer = tuple[int, Any]  # status, and what becomes JSON


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError  # tells uvicorn that there is no lifespan to wait for
    body = await read(receive)
    status, answer = respond(scope["method"], scope["path"], body)
    content = b"" if answer is None else json.dumps(answer).encode()
    headers = (
        [] if answer is None else [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    )
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def read(receive: Any) -> bytes:
    body, more = b"", True
    while more and len(body) <= MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def respond(method: str, path: str, body: bytes) -> Answer:
    match method, path.strip("/"):
        case "GET" | "HEAD", "health":
            return 200, {"status": "ok"}
        case "GET" | "HEAD", "":
            return 200, {"users": list_users()}
        case "POST", "":
            return with_body(body, create)
        case "GET" | "HEAD", number if is_number(number):
            return found(user(int(number)))
        case "PUT", number if is_number(number):
            return with_body(body, lambda fields: found(update(int(number), fields)))
        case "DELETE", number if is_number(number):
            return delete(int(number))
    return 404, {"error": "There is nothing at this address."}


def is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 19  # as large as SQLite's are


def with_body(body: bytes, act: Any) -> Answer:
    try:
        fields = json.loads(body)
        fields = {"name": str(fields["name"]), "email": str(fields.get("email", ""))}
    except (ValueError, LookupError, TypeError, AttributeError):
        return 400, {"error": 'Send an object such as {"name": "Ada", "email": "ada@example.edu"}.'}
    answer: Answer = act(fields)
    return answer


def found(row: Any) -> Answer:
    return (200, row) if row else (404, {"error": "There is no such user."})


# The table


@functools.cache
def table() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ.get("USERS_FILE", "users.sqlite3"), isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT, email TEXT)")
    return connection


def list_users() -> list[dict[str, Any]]:
    return [dict(row) for row in table().execute("SELECT * FROM users ORDER BY id LIMIT 1000")]


def user(number: int) -> dict[str, Any] | None:
    row = table().execute("SELECT * FROM users WHERE id = ?", (number,)).fetchone()
    return dict(row) if row else None


def create(fields: dict[str, str]) -> Answer:
    made = table().execute("INSERT INTO users (name, email) VALUES (:name, :email) RETURNING *", fields).fetchone()
    return 201, dict(made)


def update(number: int, fields: dict[str, str]) -> dict[str, Any] | None:
    table().execute("UPDATE users SET name = :name, email = :email WHERE id = :id", {**fields, "id": number})
    return user(number)


def delete(number: int) -> Answer:
    deleted = table().execute("DELETE FROM users WHERE id = ?", (number,)).rowcount
    return (204, None) if deleted else (404, {"error": "There is no such user."})
