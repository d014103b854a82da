"""Begins and ends tracing in a process, if an endpoint is set."""

from importlib import import_module
from typing import Any

from django.conf import settings

from apps.common import spans
from gateway_project.site.system import version

_open: list[Any] = []


def start() -> None:
    """Loads OpenTelemetry, which takes a second and 20 MB, only if there is somebody to send spans to."""
    if not settings.OTLP_ENDPOINT or _open:
        return
    tracer = import_module("gateway_project.observability.tracer")
    recorder = tracer.open_recorder(endpoint=settings.OTLP_ENDPOINT, headers=settings.OTLP_HEADERS, version=version())
    _open.append(recorder)
    spans.record_with(recorder, share=settings.TRACE_SHARE)


def stop() -> None:
    spans.record_with(None)
    while _open:
        _open.pop().close()
