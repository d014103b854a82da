"""Spans cost nothing while nobody records them, and at most a tenth of all requests has any."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from apps.common import spans
from apps.common.spans import NOTHING, Kind, Recording, Value
from apps.common.tracing import begun


@dataclass
class Kept:
    title: str
    kind: str
    parent: Recording | None
    id: str
    attributes: dict[str, Value] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)

    def name(self, name: str) -> None:
        self.title = name

    def set(self, name: str, value: Value) -> None:
        self.attributes[name] = value

    def end(self, *, error: str = "") -> None:
        self.ends.append(error)


class Keeper:
    def __init__(self) -> None:
        self.spans: list[Kept] = []

    def begin(
        self, name: str, kind: Kind, *, trace: str, remote: str = "", parent: Recording | None = None
    ) -> Recording:
        self.spans.append(Kept(name, kind, parent, f"{len(self.spans) + 1:016x}"))
        return self.spans[-1]


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper()
    spans.record_with(keeper, share=1.0)
    yield keeper
    spans.record_with(None)


def sampled(name: str = "request") -> spans.TraceSpan:
    return next(one for _ in range(10_000) if (one := spans.request(name, trace="a" * 32)) is not NOTHING)


def test_without_a_recorder_every_span_is_nothing() -> None:
    with spans.request("request", trace="a" * 32) as request, spans.stage("rules") as stage:
        stage.set(any__thing=1)

        assert (request, stage, spans.current_id()) == (NOTHING, NOTHING, "")


def test_at_most_a_tenth_is_sampled_whatever_is_wished_for(keeper: Keeper) -> None:
    for _ in range(2_000):
        spans.request("request", trace="0" * 31 + "1")

    assert 100 < len(keeper.spans) < 300


def test_what_its_client_did_not_sample_is_not_sampled(keeper: Keeper) -> None:
    assert all(spans.request("r", trace="a" * 32, may_sample=False) is NOTHING for _ in range(200))
    assert spans.stage("rules") is NOTHING


def test_stages_are_within_their_request_also_in_tasks_that_it_starts(keeper: Keeper) -> None:
    async def later() -> None:
        with spans.stage("settle"):
            pass

    async def answer() -> None:
        with sampled(), spans.stage("rules") as rules:
            rules.set(gen_ai__request__model="small")
            task = asyncio.create_task(later())
        await task

    asyncio.run(answer())

    request, rules, settle = keeper.spans
    assert (rules.parent, settle.parent) == (request, rules)
    assert rules.attributes == {"gen_ai.request.model": "small"}
    assert [one.ends for one in keeper.spans] == [[""], [""], [""]]
    assert spans.current_id() == ""


def test_an_error_is_named_by_its_class_alone(keeper: Keeper) -> None:
    with pytest.raises(ValueError), sampled():
        raise ValueError("Solve my homework")

    assert keeper.spans[-1].ends == ["ValueError"]


def test_who_is_asked_learns_the_span_that_asks(keeper: Keeper) -> None:
    trace = begun()
    with sampled():
        attempt = spans.stage("chat small", "client")
        with spans.InSpan(attempt):
            within = trace.headers()["traceparent"]
        attempt.end()

    assert within == f"00-{trace.id}-{keeper.spans[-1].id}-01"
    assert trace.headers()["traceparent"].endswith("-00")
