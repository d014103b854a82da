"""A good chat request, and what can be wrong with it: as many variants as wanted, the same ones for the same seed."""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

Body = dict[str, Any]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A request: how it says that it is written, its bytes, and what was done to it."""

    kind: str
    content_type: str
    content: bytes


def good(model: str) -> Body:
    """Uses most of what clients send."""
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is recursion?"}], "name": "ada"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "A page."},
            {"role": "user", "content": "Go on."},
        ],
        "stream": False,
        "max_tokens": 20,
        "temperature": 0.5,
        "stop": ["end"],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
        "metadata": {"course": "demo"},
        "user": "ada",
    }


STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64 - 1),
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ufeff",
        "\u202egnp.exe",
        "e" + "\u0301" * 300,
        "\U0001f9d1\u200d\U0001f393",
        "\uffff",
    ),
    *("../../etc/passwd", "' OR 1=1 --", "{{7*7}}", "%s%n", "<script>alert(1)</script>", "\r\nx-injected: 1"),
    *([], {}, [[]], [None], {"": ""}, {"type": "text"}, {"role": "user"}, [1, "a", None]),
    *("a" * 5_000, ["a"] * 500, [{}] * 500, {str(number): number for number in range(500)}),
)
# What JSON texts can hold and no value can.
RAW = (
    *(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"1" * 400,
        b"-" + b"9" * 60,
        b"0x10",
        b"01",
        b"+1",
        b"1.",
    ),
    *(
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\u0000"',
        b'"\\x41"',
        b'"\xff\xfe"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\n"',
    ),
    *(b"undefined", b"'text'", b"/* */ 1", b"[1,]", b"{,}", b"True", b"nul", b"", b'"', b"\x00", b"\xef\xbb\xbf1"),
    *(b"[" * 70 + b"]" * 70, b"[" * 2_000, b'{"a":' * 70 + b"1" + b"}" * 70, b'"' + b"a" * 20_000 + b'"'),
)
TYPES = (
    *("application/json", "application/json; charset=utf-16", "application/json; charset=latin-1", "text/plain", ""),
    *(
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "application/octet-stream",
        "a/b; charset=\xe9",
    ),
    *("application/xml", "application/json, text/html", "x" * 2_000),
)


def mutants(model: str, *, seed: int, count: int) -> Iterator[Mutant]:
    rng = random.Random(seed)
    kinds = list(KINDS.items())
    for _ in range(count):
        kind, mutate = rng.choice(kinds)
        content_type, content = mutate(good(model), rng)
        yield Mutant(kind, content_type, content)


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _set(body: Any, path: Path, value: Any) -> None:
    *parents, last = path
    for step in parents:
        body = body[step]
    body[last] = value


def _get(body: Any, path: Path) -> Any:
    for step in path:
        body = body[step]
    return body


def _json(body: Any) -> tuple[str, bytes]:
    return "application/json", orjson.dumps(body)


def _swap(body: Body, rng: random.Random) -> tuple[str, bytes]:
    """Up to three values become something else."""
    for _ in range(rng.randint(1, 3)):
        _set(body, rng.choice(list(_paths(body))), copy.deepcopy(rng.choice(STRANGE)))
    return _json(body)


def _raw(body: Body, rng: random.Random) -> tuple[str, bytes]:
    _set(body, rng.choice(list(_paths(body))), "@@")
    return "application/json", orjson.dumps(body).replace(b'"@@"', rng.choice(RAW))


def _drop(body: Body, rng: random.Random) -> tuple[str, bytes]:
    *parents, last = rng.choice(list(_paths(body)))
    del _get(body, tuple(parents))[last]
    return _json(body)


def _move(body: Body, rng: random.Random) -> tuple[str, bytes]:
    """One part of the request takes the place of another."""
    paths = list(_paths(body))
    _set(body, rng.choice(paths), copy.deepcopy(_get(body, rng.choice(paths))))
    return _json(body)


def _add(body: Body, rng: random.Random) -> tuple[str, bytes]:
    """Keys that nobody knows, or that clients of other APIs send."""
    parents = [path for path in ((), *_paths(body)) if isinstance(_get(body, path), dict)]
    names = (
        "n",
        "logprobs",
        "stream_options",
        "max_completion_tokens",
        "functions",
        "",
        "__proto__",
        "\x00",
        "x" * 3_000,
    )
    _get(body, rng.choice(parents))[rng.choice(names)] = copy.deepcopy(rng.choice(STRANGE))
    return _json(body)


def _duplicate(body: Body, rng: random.Random) -> tuple[str, bytes]:
    key = rng.choice(list(body))
    extra = orjson.dumps({key: rng.choice(STRANGE)})[1:-1]
    whole = orjson.dumps(body)
    return "application/json", rng.choice((b"{" + extra + b"," + whole[1:], whole[:-1] + b"," + extra + b"}"))


def _large(body: Body, rng: random.Random) -> tuple[str, bytes]:
    size = rng.choice((1_000, 5_000))
    message = {"role": "user", "content": "a"}
    body.update(
        rng.choice(
            (
                {"messages": [message] * size},
                {"messages": [{**message, "content": [{"type": "text", "text": "a"}] * size}]},
                {"messages": [{**message, "content": "ä" * size * 10}]},
                {"metadata": {str(number): "a" for number in range(size)}},
                {"stop": ["a"] * size},
            )
        )
    )
    return _json(body)


def _deep(body: Body, rng: random.Random) -> tuple[str, bytes]:
    depth = rng.choice((60, 63, 64, 65, 100, 1_000, 20_000))
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    body["metadata"] = "@@"
    return "application/json", orjson.dumps(body).replace(b'"@@"', opened * depth + b"1" + closed * depth)


def _bytes(body: Body, rng: random.Random) -> tuple[str, bytes]:
    """A few bytes change, come or go."""
    content = bytearray(orjson.dumps(body))
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(content))
        content[place : place + rng.choice((0, 1))] = bytes(rng.choices(range(256), k=rng.choice((0, 1, 2))))
    return "application/json", bytes(content)


def _cut(body: Body, rng: random.Random) -> tuple[str, bytes]:
    content = orjson.dumps(body)
    return "application/json", content[: rng.randrange(len(content))] + rng.choice((b"", b"}", b"]}", b"\x00"))


def _wrap(body: Body, rng: random.Random) -> tuple[str, bytes]:
    """The request is inside something else, or not there at all."""
    content = orjson.dumps(body)
    wrapped = (
        *(b"[" + content + b"]", content * 2, content + b"\n" + content, orjson.dumps(content.decode()), b" " * 9_999),
        *(b"null", b"1", b'""', b"[]", b"{}", b"\xef\xbb\xbf" + content, content + b"x", b")]}'\n" + content),
    )
    return "application/json", rng.choice(wrapped)


def _charset(body: Body, rng: random.Random) -> tuple[str, bytes]:
    text = orjson.dumps(body).decode()
    return rng.choice(TYPES), text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-7", "cp500", "utf-8")))


def _form(body: Body, rng: random.Random) -> tuple[str, bytes]:
    content = orjson.dumps(body)
    part = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a.json"\r\n\r\n' + content + b"\r\n--b--\r\n"
    return rng.choice(TYPES), rng.choice((part, part[:-9], b"a=" + content, content))


KINDS: dict[str, Callable[[Body, random.Random], tuple[str, bytes]]] = {
    "swap": _swap,
    "raw": _raw,
    "drop": _drop,
    "move": _move,
    "add": _add,
    "duplicate": _duplicate,
    "large": _large,
    "deep": _deep,
    "bytes": _bytes,
    "cut": _cut,
    "wrap": _wrap,
    "charset": _charset,
    "form": _form,
}
