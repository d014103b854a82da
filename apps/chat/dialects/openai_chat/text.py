"""How a message reads: its text as it is recorded, shown, and recognised when it comes again as history. Pure.

A text is laid out in runs. A run that stands somewhere in the message knows where, so that what a rule found there can
be pointed at in the text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apps.conversations.history import Message

Path = tuple[str | int, ...]
Run = tuple[Path | None, str]


def messages_of(body: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages of a request, as they are recorded."""
    return tuple(
        Message(position, message["role"], text(message), said(message))
        for position, message in enumerate(body["messages"])
    )


def text(message: Mapping[str, Any]) -> str:
    """Everything in a message that people read."""
    content = message.get("content")
    if isinstance(content, str) and len(message) == 2:
        return content
    return "".join(run for _, run in layout(message))


def offset(message: Mapping[str, Any], path: Path) -> int | None:
    """Where in the text of a message stands what the message holds at a path; None if it is not shown."""
    place = 0
    for where, run in layout(message):
        if where == path:
            return place
        place += len(run)
    return None


def layout(message: Mapping[str, Any]) -> Sequence[Run]:
    """The runs that make up the text: what stands on lines of its own, and the line ends."""
    runs: list[Run] = []
    for line in _lines(message):
        if any(run for _, run in line):
            runs += [(None, "\n"), *line] if runs else line
    return runs


def said(message: Mapping[str, Any]) -> str | None:
    """What an answer is recognised by when it comes back as history, as `metering` notes it when it is given."""
    if message["role"] != "assistant" or message.keys() <= {"role", "content"}:
        return None
    content = text({"content": message.get("content")})
    functions = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    return content + "".join(f"{call.get('name') or ''}{call.get('arguments') or ''}" for call in functions)


def _lines(message: Mapping[str, Any]) -> Iterator[list[Run]]:
    content = message.get("content")
    if isinstance(content, str):
        yield [(("content",), content)]
    for number, part in enumerate(content if isinstance(content, list) else ()):
        yield _part(part, ("content", number))
    for key in ("reasoning_content", "refusal"):
        if isinstance(value := message.get(key), str):
            yield [((key,), value)]
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield _called(call, ("tool_calls", number))
    if message.get("function_call"):
        yield _called({"function": message["function_call"]}, ())


def _part(part: Mapping[str, Any], path: Path) -> list[Run]:
    for key in ("text", "refusal"):
        if isinstance(value := part.get(key), str) and value:
            return [((*path, key), value)]
    return [(None, f"[{part['type']}]")]


def _called(call: Mapping[str, Any], path: Path) -> list[Run]:
    """A tool call of either kind, with all the text that it hands over. Without a path: the older kind of call."""
    function, custom = call.get("function") or {}, call.get("custom") or {}
    at = (*path, "function") if path else ("function_call",)
    own = (*path, "custom")
    name = function.get("name") or custom.get("name") or "tool"
    runs: list[Run] = [(None, "["), ((*(at if function.get("name") else own), "name"), name), (None, "] ")]
    if arguments := function.get("arguments"):
        runs.append(((*at, "arguments"), arguments))
    if given := custom.get("input"):
        runs += [(None, "\n" if arguments else ""), ((*own, "input"), given)]
    return runs
