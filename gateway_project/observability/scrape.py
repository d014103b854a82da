"""What Prometheus reads."""

import os

import prometheus_client
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import multiprocess

from gateway_project.health.components import checkup
from gateway_project.health.views import has_token
from gateway_project.observability.figures import InstallationCollector


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics for requests with the token, 404 for all others."""
    if not has_token(request):
        raise Http404
    text = prometheus_client.generate_latest(_of_all_processes())
    whole = prometheus_client.CollectorRegistry(auto_describe=False)
    whole.register(InstallationCollector(checkup()))
    text += prometheus_client.generate_latest(whole)
    return HttpResponse(text, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _of_all_processes() -> prometheus_client.CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus_client.REGISTRY
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
