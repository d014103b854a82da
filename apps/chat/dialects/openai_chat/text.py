"""The text of a message: as it is recorded, shown, and recognised when it comes back as history. Pure.

One layout serves the messages of requests and those of answers, whole or in pieces. A run keeps its path in the
message, so that what a rule finds there can be shown in the text.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from apps.chat.dialects.fields import Path
from apps.conversations.history import Message


class Run(NamedTuple):
    """A run of text, its path in the message, and what of it comes back as history. None means all of it."""

    path: Path | None
    text: str
    matched_as: str | None = None


def messages_of(body: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages of a request as they are recorded."""
    return tuple(
        [
            Message(position, message["role"], text(message), matched_as(message))
            for position, message in enumerate(body["messages"])
        ]
    )


def text(message: Mapping[str, Any]) -> str:
    """Everything in a message that people read."""
    content = message.get("content")
    if isinstance(content, str) and len(message) == 2:
        return content
    return "".join(run.text for run in layout(message))


def matched_as(message: Mapping[str, Any]) -> str | None:
    """What an answer is recognised by when it comes back as history; None if that is its text."""
    if message["role"] != "assistant" or message.keys() <= {"role", "content"}:
        return None
    return "".join(run.text if run.matched_as is None else run.matched_as for run in layout(message))


def place_of(message: Mapping[str, Any], path: Path, *, is_answer: bool = False) -> int | None:
    """The offset, in the text of a message, of what the message has at a path. None if it is not shown."""
    place = 0
    for run in layout(message, is_answer=is_answer):
        if run.path == path:
            return place
        place += len(run.text)
    return None


def layout(message: Mapping[str, Any], *, is_answer: bool = False) -> list[Run]:
    """The runs that make up the text, with each kind of text on lines of its own.

    An answer may come in pieces, in any order. So it has no line ends between its kinds of text, and a call without a
    name continues another.
    """
    runs: list[Run] = []
    for block in _blocks(message, is_answer=is_answer):
        if any(run.text for run in block):
            if runs and not is_answer:
                runs.append(Run(None, "\n", ""))
            runs += block
    return runs


def _blocks(message: Mapping[str, Any], *, is_answer: bool) -> Iterator[list[Run]]:
    unnamed = "" if is_answer else "tool"
    yield _content(message.get("content"), is_answer=is_answer)
    for key in ("reasoning_content" if message.get("reasoning_content") else "reasoning", "refusal"):
        if isinstance(value := message.get(key), str):
            yield [Run((key,), value, "")]
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield _called(call, ("tool_calls", number), unnamed)
    if function := message.get("function_call"):
        yield [run._replace(matched_as="") for run in _called({"function": function}, (), unnamed)]


def _content(content: Any, *, is_answer: bool) -> list[Run]:
    if isinstance(content, str):
        return [Run(("content",), content)]
    runs: list[Run] = []
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if found := _part(part, ("content", number), is_answer=is_answer):
            runs += [Run(None, "\n")] if runs else []
            runs += found
    return runs


def _part(part: Any, path: Path, *, is_answer: bool) -> list[Run]:
    if isinstance(part, str):
        return [Run(path, part)]
    if not isinstance(part, dict):
        return []
    for key in ("text", "refusal"):
        if isinstance(value := part.get(key), str) and (value or is_answer):
            return [Run((*path, key), value)]
    return _thoughts(part.get("thinking"), (*path, "thinking")) or [Run(None, f"[{part.get('type')}]")]


def _thoughts(thinking: Any, path: Path) -> list[Run]:
    """What a model thinks, as a part of its content: a text, or parts of its own."""
    if isinstance(thinking, str):
        return [Run(path, thinking, "")]
    parts = enumerate(thinking) if isinstance(thinking, list) else ()
    texts = [(number, part["text"]) for number, part in parts if isinstance(part, dict) and "text" in part]
    return [Run((*path, number, "text"), text, "") for number, text in texts if isinstance(text, str)]


def texts_of(content: Any) -> dict[str, str] | None:
    """Content in parts as the fields of a message that stand for them. None if it is no list, or not all of it text."""
    if not isinstance(content, list):
        return None
    texts: dict[str, str] = {}
    for number, part in enumerate(content):
        for run in _part(part, (number,), is_answer=True) or [Run(None, "")]:
            if run.path is None:
                return None
            key = (
                "refusal" if run.path[-1] == "refusal" else "content" if run.matched_as is None else "reasoning_content"
            )
            texts[key] = texts.get(key, "") + run.text
    return texts


def _called(call: Mapping[str, Any], path: Path, unnamed: str) -> list[Run]:
    """A tool call of either kind, with all of its text. Without a path it is the older kind."""
    function, custom = call.get("function") or {}, call.get("custom") or {}
    at = (*path, "function") if path else ("function_call",)
    own = (*path, "custom")
    runs: list[Run] = []
    if name := function.get("name") or custom.get("name"):
        runs += _name(name, (*(at if function.get("name") else own), "name"))
    elif unnamed:
        runs += [Run(None, f"[{unnamed}] ", "")]
    if isinstance(arguments := function.get("arguments"), str) and arguments:
        runs.append(Run((*at, "arguments"), arguments))
    if isinstance(given := custom.get("input"), str) and given:
        runs += [Run(None, "\n", "")] if arguments else []
        runs.append(Run((*own, "input"), given))
    return runs


def _name(name: Any, path: Path) -> list[Run]:
    return [Run(None, "[", ""), Run(path, str(name)), Run(None, "] ", "")]
