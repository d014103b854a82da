"""Whatever a provider does: what the student gets, what it costs, what is recorded, and whether it is asked again.

Each behaviour is tried plain and streamed, with one deployment, and with a second one that works. What comes of it
follows from what it means (`tests/provider_stub/behaviours.py`), by the table here.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest

from tests.chat.pool import WorldPool
from tests.chat.world import World
from tests.live import Gateway
from tests.provider_stub import ProviderStub
from tests.provider_stub.behaviours import BEHAVIOURS, Form, Named
from tests.provider_stub.spellings import ERRORS

# With a deployment that falls silent. Where it says something first, a busy machine has the time to hear it.
PATIENCE: dict[str, dict[str, Any] | None] = {
    "as usual": None,
    "for nothing": {"timeout_seconds": 0.4, "stall_seconds": 0.5},
    "for words": {"timeout_seconds": 20, "stall_seconds": 2},
}
TRIES = 6  # calls that go to two deployments, one after the other
SECOND = "The second answers."
WORDS_OF_OURS = 3 + 5  # tokens that the stub counts by itself: of the prompt, and of its answer
COUNTED = 11 + 7  # what it reports where its events are written out
FLOOR = 3  # tokens that our own estimate of prompt and answer has at least

Pools = dict[tuple[int, str], WorldPool]  # by the number of deployments, and how long is waited for the first
Met = Literal[1, 5, 6]  # how many of six calls meet a deployment that does this, if there is another one


@dataclass(frozen=True, slots=True)
class Refused:
    """What a student is told when nobody is left to ask. Nothing was charged."""

    status: int
    code: str
    met: Met


ERROR = Refused(502, "upstream_error", met=6)  # twenty of these open a deployment
NO_CREDENTIAL = Refused(502, "upstream_credentials_exhausted", met=1)
BY_REASON = {
    "": ERROR,
    "error": ERROR,
    "too_slow": Refused(504, "upstream_timeout", met=5),
    "rate": Refused(503, "upstream_rate_limited", met=1),
    "credential": NO_CREDENTIAL,
    "billing": NO_CREDENTIAL,
    "missing": Refused(502, "upstream_misconfigured", met=1),
    "too_long": Refused(400, "context_length_exceeded", met=6),
    "too_large": Refused(413, "request_too_large", met=6),
}
SILENT = ("headers, then silence", "the role, then silence")
SOON_AGAIN = (  # they are asked again at once, or within a few calls
    *("429 until a date that has passed", "429 for a negative time"),
    *("429 for a fraction of a second", "429 for milliseconds"),
)
IN_PLAIN = {"half a surrogate": "cut emoji \ufffd"}
TOO_LONG_FOR_ITS_CAP = ("an event of 9 MiB",)

# These run in every suite, the rest in the battery.
CORE = {
    *("silence", "the role, then silence", "reset", "closed without a byte"),
    *("openai 500", "503 with a wait", "redirect", "openai wrong key", "forbidden without a word", "azure deployment"),
    *("openrouter credits", "openai quota", "429 for 37 seconds", "429 without a time", "413 in html"),
    *("openai context", "openai value", "azure content", "openai error, first", "vllm error, first"),
    *("openai rate error, behind a comment", "anthropic error, behind the role", "error in words, first, then done"),
    *("empty", "only comments", "role and done", "no choices", "choices null", "a web page", "half a plain answer"),
    *("vllm error, behind words", "openrouter error, behind words, then more", "words, then a cut"),
    *("words, then silence", "words, then the end", "words, then half a character", "good", "half a surrogate"),
    *("no utf-8", "numbers json does not know", "labelled as text", "gzip", "a byte order mark", "big headers"),
    *("azure", "content as a list", "tool deltas without index", "without usage", "zero usage", "float usage"),
    *("deepseek usage", "anthropic usage", "reasoning outside", "stream_options refused", "max_tokens refused"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A behaviour of the first deployment, towards a plain or a streamed call."""

    name: str
    form: Form

    @property
    def does(self) -> Named:
        return BEHAVIOURS[self.name]

    @property
    def refusal(self) -> Refused | None:
        """What the student is told if there is no other deployment. None if something else comes of it."""
        if self.does.means == "request":
            return Refused(400, ERRORS[self.name].code or "refused_by_provider", met=6)
        if self.does.means != "nothing":
            return None
        return BY_REASON["too_slow" if self.name in SILENT else self.does.reason]

    @property
    def patience(self) -> str:
        if "silence" not in self.name:
            return "as usual"
        return "for words" if self.does.means == "breaks" else "for nothing"

    @property
    def moves_on(self) -> bool:
        return self.does.means == "nothing"

    @property
    def goes_nowhere(self) -> bool:
        return self.does.means in ("request", "breaks", "added")

    @property
    def words(self) -> str:
        return IN_PLAIN.get(self.name, self.does.words) if self.form == "plain" else self.does.words

    @property
    def cost(self) -> int | None:
        """As reported. None if that cannot be believed, or is missing."""
        if self.does.tokens is not None:
            uncached, _, output = self.does.tokens
            return uncached + output
        if self.name.endswith("usage") or self.name.startswith(("zero prompt", "usage in words", "stream_options")):
            return None
        return COUNTED if self.does.does.get("events" if self.form == "stream" else "plain") else WORDS_OF_OURS


CASES = [
    pytest.param(Case(name, form), id=f"{name}, {form}", marks=() if name in CORE else pytest.mark.battery)
    for name, does in BEHAVIOURS.items()
    for form in does.forms
    if name not in TOO_LONG_FOR_ITS_CAP
]


def test_the_table_knows_what_it_names() -> None:
    assert BEHAVIOURS.keys() >= CORE
    assert len([case for case in CASES if not case.marks]) >= 90


@pytest.fixture(scope="module")
def pools(gateway: Gateway) -> Iterator[Pools]:
    with ExitStack() as stack:
        yield {
            (number, patience): stack.enter_context(
                WorldPool(gateway, providers=number, first=first, batch=4 if first else 40)
            )
            for number in (1, 2)
            for patience, first in PATIENCE.items()
        }


@dataclass(frozen=True, slots=True)
class Scene:
    world: World
    stubs: tuple[ProviderStub, ...]
    form: Form

    def post(self) -> httpx.Response:
        return self.world.post(self.world.body("one two three", stream=self.form == "stream"))


def scene_of(case: Case, pools: Pools, *, deployments: int) -> Scene:
    ready = pools[deployments, case.patience].take()
    ready.stubs[0].always(**case.does.does)
    for other in ready.stubs[1:]:
        other.always(text=SECOND)
    return Scene(ready.world, ready.stubs, case.form)


@pytest.mark.parametrize("case", CASES)
def test_with_one_deployment(committed_db: None, pools: Pools, case: Case) -> None:
    scene = scene_of(case, pools, deployments=1)

    response = scene.post()

    if case.refusal is not None:
        check_refused(scene, response, case.refusal)
    elif case.does.means == "breaks":
        check_broken(scene, response, case)
    else:
        check_answered(scene, response, case.words, cost=case.cost)


@pytest.mark.parametrize("case", [case for case in CASES if case.values[0].moves_on])
def test_with_another_deployment(committed_db: None, pools: Pools, case: Case) -> None:
    scene = scene_of(case, pools, deployments=2)

    response = scene.post()

    check_answered(scene, response, SECOND, cost=3 + 3)
    assert response.headers["x-gateway-attempts"] == "2"
    for _ in range(TRIES - 1):
        assert scene.post().status_code == 200
    assert case.refusal is not None
    if case.name not in SOON_AGAIN:
        assert len(scene.stubs[0].journal) == case.refusal.met


@pytest.mark.parametrize("case", [case for case in CASES if case.values[0].goes_nowhere])
def test_another_deployment_is_not_asked(committed_db: None, pools: Pools, case: Case) -> None:
    """For what is wrong everywhere, and once words have come."""
    scene = scene_of(case, pools, deployments=2)

    scene.post()

    assert scene.stubs[1].journal == []


def check_refused(scene: Scene, response: httpx.Response, expected: Refused) -> None:
    call = scene.world.call()
    assert (response.status_code, response.json()["error"]["code"]) == (expected.status, expected.code)
    assert (call.status, call.error_code, call.charged) == ("failed", expected.code, 0)
    assert (scene.world.usage()["used"], scene.world.usage()["held"]) == (0, 0)


def check_broken(scene: Scene, response: httpx.Response, case: Case) -> None:
    """The words came, then one error event, and they were charged for."""
    call, events = scene.world.call(), payloads(response)
    told = events[-1]["error"]
    assert (response.status_code, told["request_id"]) == (200, response.headers["x-request-id"])
    assert ["error" in event for event in events].count(True) == 1
    assert told["code"] == call.error_code == ("upstream_stalled" if "silence" in case.name else "upstream_interrupted")
    assert told["charged"] == call.charged == scene.world.settled().used > 0
    assert call.status == "failed"
    assert "[DONE]" not in response.text
    assert case.words.startswith(said(response).strip()) and said(response)


def check_answered(scene: Scene, response: httpx.Response, words: str, *, cost: int | None) -> None:
    assert response.status_code == 200, response.text
    call, used = scene.world.call(), scene.world.settled().used
    assert said(response) == words
    assert (call.status, call.charged, call.is_estimated) == ("answered", used, cost is None)
    assert used == cost if cost is not None else used >= FLOOR


def payloads(response: httpx.Response) -> list[Any]:
    found = [event.removeprefix("data: ") for event in response.text.split("\n\n") if event.startswith("data: ")]
    return [json.loads(event) for event in found if event != "[DONE]"]


def said(response: httpx.Response) -> str:
    """What a person reads. A stream with an error never ends as if it were complete."""
    if response.headers["content-type"].startswith("application/json"):
        return text_in(response.json()["choices"][0]["message"])
    events = payloads(response)
    assert response.text.endswith("data: [DONE]\n\n") != any("error" in event for event in events)
    return "".join(text_in(choice["delta"]) for event in events for choice in event.get("choices") or ())


def text_in(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    text += "".join(f"[{call['name']}] {call['arguments']}" for call in calls)
    return text + (message.get("refusal") or "") + (message.get("reasoning_content") or "")
