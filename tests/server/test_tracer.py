"""Spans reach a collector; one that is away or slow costs spans, and nothing else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExportResult

from gateway_project.observability.tracer import MOST_WAITING, DroppingExporter, OtelRecorder, open_recorder
from tests import factories
from tests.chat.world import PROMPT, make_world
from tests.live import WITHOUT_CELERY, models_on, separate_gateway
from tests.operations.receiver import HANGS, Receiver, receiving
from tests.provider_stub import ProviderStub

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as server:
        server.status = 200
        yield server


def recorder_for(collector: Receiver) -> OtelRecorder:
    return open_recorder(endpoint=collector.url.removesuffix("/hook"), headers={"x-key": "k"}, version="1")


def spans_of(collector: Receiver) -> list[Any]:
    requests = [ExportTraceServiceRequest.FromString(body) for _, body in collector.got]
    return [
        span
        for request in requests
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def test_a_collector_gets_the_spans_of_a_trace_under_its_own_id(collector: Receiver) -> None:
    recorder = recorder_for(collector)
    request = recorder.begin("request", "server", trace=TRACE, remote=SPAN)
    request.name("POST /v1/chat/completions")
    stage = recorder.begin("rules", "internal", trace=TRACE, parent=request)
    stage.end(error="EngineFailed")
    request.end()

    recorder.close()

    rules, whole = spans_of(collector)
    assert (rules.trace_id.hex(), whole.trace_id.hex()) == (TRACE, TRACE)
    assert (whole.name, whole.parent_span_id.hex()) == ("POST /v1/chat/completions", SPAN)
    assert (rules.parent_span_id.hex(), rules.status.code) == (request.id, 2)
    assert collector.got[0][0]["x-key"] == "k"


def test_a_trace_that_begins_here_has_the_id_of_our_log(collector: Receiver) -> None:
    recorder = recorder_for(collector)
    recorder.begin("task", "server", trace=TRACE).end()

    recorder.close()

    (task,) = spans_of(collector)
    assert (task.trace_id.hex(), task.parent_span_id) == (TRACE, b"")


def test_a_collector_that_hangs_keeps_nobody_waiting_and_fills_no_memory(collector: Receiver) -> None:
    collector.status = HANGS
    recorder = recorder_for(collector)

    for _ in range(2 * MOST_WAITING):
        recorder.begin("request", "server", trace=TRACE).end()
    recorder.close()  # in a second, although the collector never answers

    assert len(collector.got) <= 1


def test_a_collector_that_is_away_is_said_once_and_so_is_its_return(caplog: Any) -> None:
    outcomes = iter([SpanExportResult.FAILURE] * 3 + [SpanExportResult.SUCCESS] * 2)

    class Fickle:
        def export(self, spans: Any) -> SpanExportResult:
            return next(outcomes)

    exporter = DroppingExporter(Fickle())  # type: ignore[arg-type]
    for _ in range(5):
        exporter.export([1, 2])  # type: ignore[list-item]

    assert [record.getMessage() for record in caplog.records] == [
        "The collector of traces takes no spans; they are dropped until it does",
        "The collector of traces takes spans again; 6 were dropped",
    ]


@pytest.mark.battery
@pytest.mark.usefixtures("committed_db")
def test_a_call_is_traced_through_its_stages_without_person_or_text(
    pristine: Path, tmp_path: Path, collector: Receiver, stub: ProviderStub
) -> None:
    """One call in ten is: of 200, some are."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url.removesuffix("/hook")}
    with (
        separate_gateway(pristine, tmp_path, **WITHOUT_CELERY, **endpoint) as gateway,
        models_on(gateway.data_dir),
        make_world(gateway, stub) as world,
    ):
        factories.make_rule(course=world.course)
        world.wait_until_seen()
        headers = {"authorization": f"Bearer {world.key}"}

        def ask(number: int) -> int:
            url = f"{gateway.base_url}/v1/chat/completions"
            return httpx.post(url, json=world.body(stream=number % 2 == 0), headers=headers, timeout=60).status_code

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(ask, range(200))) == {200}

    found = spans_of(collector)
    whole = [span for span in found if span.name == "POST /v1/chat/completions"]
    assert 0 < len(whole) < 80
    stages = {span.name for span in found if span.trace_id == whole[0].trace_id}
    assert stages == {"POST /v1/chat/completions", "rules", "reserve", f"chat {world.model.name}", "settle"}
    asked = next(span for span in found if span.name.startswith("chat "))
    names = {attribute.key for attribute in asked.attributes}
    assert {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.usage.output_tokens"} <= names
    sent = b"".join(body for _, body in collector.got)
    hidden = (PROMPT, world.key, world.student.external_id, world.student.user.username)
    assert not [text for text in hidden if text.encode() in sent]
