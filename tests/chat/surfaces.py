"""Every place of a prompt and of an answer in which a text may stand."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

NEEDLE = "EXAM-1234"


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content, **more}]}


def after(message: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [message, {"role": "user", "content": "And now?"}]}


def called(call: dict[str, Any]) -> dict[str, Any]:
    return after({"role": "assistant", "content": None, "tool_calls": [{"id": "a", **call}]})


def beside(**fields: Any) -> dict[str, Any]:
    return {**user("Hi"), **fields}


def function(**fields: Any) -> dict[str, Any]:
    return beside(tools=[{"type": "function", "function": {"name": "look", **fields}}])


_SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "description": NEEDLE}}}
_CODE = b64encode(NEEDLE.encode()).decode()
_FILE = f"data:text/plain;base64,{_CODE}"
_LINES = f"DATA:text/plain;charset=utf-8;BASE64,{_CODE[:8]}\r\n{_CODE[8:]}\n"

PROMPTS: Mapping[str, dict[str, Any]] = {
    "messages[].content": user(NEEDLE),
    "messages[].content[].text": user([{"type": "text", "text": "a"}, {"type": "text", "text": f"b {NEEDLE}"}]),
    "messages[].content[].refusal": after({"role": "assistant", "content": [{"type": "refusal", "refusal": NEEDLE}]}),
    "messages[].content[].*": user([{"type": "x_note", "note": {"deep": [NEEDLE]}}]),
    "messages[].content[].file.file_data": user([{"type": "file", "file": {"file_data": _FILE}}]),
    "messages[].refusal": after({"role": "assistant", "content": None, "refusal": NEEDLE}),
    "messages[].reasoning_content": after({"role": "assistant", "content": "a", "reasoning_content": NEEDLE}),
    "messages[].name": user("Hi", name=NEEDLE),
    "messages[].tool_call_id": after({"role": "tool", "content": "4", "tool_call_id": NEEDLE}),
    "messages[].tool_calls[].function.name": called({"type": "function", "function": {"name": NEEDLE}}),
    "messages[].tool_calls[].function.arguments": called(
        {"type": "function", "function": {"name": "look", "arguments": json.dumps({"query": f"On {NEEDLE}"})}}
    ),
    "messages[].tool_calls[].custom.name": called({"type": "custom", "custom": {"name": NEEDLE, "input": "a"}}),
    "messages[].tool_calls[].custom.input": called({"type": "custom", "custom": {"name": "run", "input": NEEDLE}}),
    "messages[].function_call.name": after({"role": "assistant", "function_call": {"name": NEEDLE}}),
    "messages[].function_call.arguments": after(
        {"role": "assistant", "function_call": {"name": "look", "arguments": json.dumps([NEEDLE])}}
    ),
    "messages[].*": user("Hi", x_note=NEEDLE),
    "tools[].function.name": function(name=NEEDLE),
    "tools[].function.description": function(description=NEEDLE),
    "tools[].function.parameters.*": function(parameters=_SCHEMA),
    "tools[].custom.description": beside(tools=[{"type": "custom", "custom": {"name": "run", "description": NEEDLE}}]),
    "functions[].description": beside(functions=[{"name": "look", "description": NEEDLE}]),
    "response_format.json_schema.*": beside(
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA}}
    ),
    "prediction.content": beside(prediction={"type": "content", "content": NEEDLE}),
    "metadata.*": beside(metadata={"note": NEEDLE}),
    "user": beside(user=NEEDLE),
    "stop": beside(stop=[NEEDLE]),
    "*": beside(x_note=NEEDLE),
}

# The same surfaces, differently: other roles, disguised, and cut apart.
MORE: Mapping[str, dict[str, Any]] = {
    **{f"as {role}": after({"role": role, "content": NEEDLE}) for role in ("system", "developer", "assistant", "tool")},
    "escaped within arguments": called({"function": {"name": "look", "arguments": r'{"q": "\u0045XAM\u002d1234"}'}}),
    "over two parts": user([{"type": "text", "text": "It is EXAM-1"}, {"type": "text", "text": "234, is it?"}]),
    "over two messages": {"messages": [{"role": "user", "content": "EXAM-"}, {"role": "user", "content": "1234"}]},
    "in a file with line breaks": user([{"type": "file", "file": {"file_data": _LINES}}]),
    "in a picture that is a text": user([{"type": "image_url", "image_url": {"url": f" {_FILE}"}}]),
    "in a document": user(
        [{"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": _CODE}}]
    ),
    "in a file that is only escaped": user([{"type": "file", "file": {"file_data": "data:text/plain,%45XAM-1234"}}]),
    "in a message that is a file": user(_FILE),
    "in a message that is JSON": user(r'{"q": "\u0045XAM-1234"}'),
    "as the name of a property": beside(metadata={NEEDLE: "a"}),
    "as what calls itself a picture": user([{"type": "text", "text": f"data:image/png;base64,{NEEDLE}"}]),
    "over the strings of arguments": called(
        {"function": {"name": "look", "arguments": '{"EXAM": 1, "b": "EXAM-1234"}'}}
    ),
}

# Where nothing else can stand: a rule that redacts refuses these.
FIXED = {
    "messages[].content[].file.file_data",
    "as the name of a property",
    *(kind for kind in MORE if kind.startswith("in a ") and kind != "in a message that is JSON"),
}

# Of these a provider gets a pseudonym or nothing.
OF_THE_CALLER = {"metadata.*", "user"}

ANSWERS: Mapping[str, dict[str, Any]] = {
    "content": {"content": f"It is {NEEDLE}."},
    "refusal": {"content": None, "refusal": f"Not {NEEDLE}."},
    "reasoning_content": {"content": "No.", "reasoning_content": f"Is it {NEEDLE}?"},
    "tool_calls[].function.name": {"tool_calls": [{"id": "a", "function": {"name": NEEDLE, "arguments": "{}"}}]},
    "tool_calls[].function.arguments": {
        "tool_calls": [{"id": "a", "function": {"name": "look", "arguments": r'{"q": "\u0045XAM-1234"}'}}]
    },
    "tool_calls[].custom.input": {"tool_calls": [{"id": "a", "custom": {"name": "run", "input": f"run {NEEDLE}"}}]},
    "function_call.arguments": {"function_call": {"name": "look", "arguments": f'["{NEEDLE}"]'}},
    "*": {"content": "See.", "x_sources": [{"title": NEEDLE}]},
}


def cut_into_deltas(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A message as a stream brings it: its texts in pieces of three characters, calls by name and then arguments."""
    deltas: list[dict[str, Any]] = []
    for key, value in message.items():
        if isinstance(value, str):
            deltas += [{key: value[at : at + 3]} for at in range(0, len(value), 3)]
        elif key == "tool_calls":
            for call in value:
                (kind, given), *_ = [(k, v) for k, v in call.items() if isinstance(v, dict)]
                text = "arguments" if kind == "function" else "input"
                deltas.append({key: [{"index": 0, **call, kind: {**given, text: ""}}]})
                deltas += [{key: [{"index": 0, kind: {text: letter}}]} for letter in given[text]]
        elif value is not None:
            deltas.append({key: value})
    return deltas
