"""Records spans with OpenTelemetry and sends them to a collector (OTLP over HTTP), from a thread of its own.

What a collector does not take is dropped. Nothing here is imported unless an endpoint is set.
"""

import logging
import os
import threading
from collections.abc import Sequence
from contextvars import ContextVar

from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from apps.common.spans import Kind, Recording, Value

logger = logging.getLogger(__name__)

EXPORT_SECONDS = 3.0
LAST_SECONDS = 1.0  # for what is left when the process ends
MOST_WAITING = 2048  # spans; further ones are dropped
_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_wanted: ContextVar[str] = ContextVar("trace id", default="")


class OtelRecording:
    def __init__(self, span: api.Span) -> None:
        self.span = span
        self.id = f"{span.get_span_context().span_id:016x}"

    def name(self, name: str) -> None:
        self.span.update_name(name)

    def set(self, name: str, value: Value) -> None:
        self.span.set_attribute(name, value)

    def end(self, *, error: str = "") -> None:
        if error:
            self.span.set_attribute("error.type", error)
            self.span.set_status(StatusCode.ERROR)
        self.span.end()


class OtelRecorder:
    """Stoa decides what is sampled; whatever begins here is recorded."""

    def __init__(self, exporter: SpanExporter, *, version: str) -> None:
        resource = Resource.create(
            {"service.name": "stoa", "service.version": version, "service.instance.id": str(os.getpid())}
        )
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, id_generator=_IdsOfOurs(), shutdown_on_exit=False
        )
        quiet = DroppingExporter(exporter)
        self._provider.add_span_processor(BatchSpanProcessor(quiet, max_queue_size=MOST_WAITING))
        self._tracer = self._provider.get_tracer("stoa")

    def begin(
        self, name: str, kind: Kind, *, trace: str, remote: str = "", parent: Recording | None = None
    ) -> OtelRecording:
        token = _wanted.set(trace)
        try:
            above = parent.span if isinstance(parent, OtelRecording) else _of_client(trace, remote)
            context = api.set_span_in_context(above) if above is not None else None
            return OtelRecording(self._tracer.start_span(name, context, kind=_KINDS[kind]))
        finally:
            _wanted.reset(token)

    def close(self) -> None:
        """Send what is left, if the collector takes it quickly."""
        last = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(LAST_SECONDS)


def _of_client(trace: str, remote: str) -> api.Span | None:
    if not remote:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED)
    return NonRecordingSpan(SpanContext(int(trace, 16), int(remote, 16), is_remote=True, trace_flags=flags))


class _IdsOfOurs(RandomIdGenerator):
    """A trace has the id that is in our log and in the requests that we send."""

    def generate_trace_id(self) -> int:
        wanted = _wanted.get()
        return int(wanted, 16) if wanted else super().generate_trace_id()


class DroppingExporter(SpanExporter):
    """Says once that spans are dropped, and once that they arrive again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._dropped = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._dropped:
                logger.warning("The collector of traces takes no spans; they are dropped until it does")
            self._dropped += len(spans)
        elif self._dropped:
            logger.warning("The collector of traces takes spans again; %d were dropped", self._dropped)
            self._dropped = 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def open_recorder(*, endpoint: str, headers: dict[str, str], version: str) -> OtelRecorder:
    """`endpoint` is the collector's base address, as in the standard variable."""
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return OtelRecorder(OTLPSpanExporter(endpoint=url, headers=headers, timeout=EXPORT_SECONDS), version=version)
