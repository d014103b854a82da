"""Health checks and metrics, for load balancers, supervisors and scrapers."""

import hmac

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from apps.dataplane.plane import DataPlane

_plane: DataPlane | None = None


def watch(plane: DataPlane | None) -> None:
    """Remember the data plane of this process, so that readiness knows whether it is draining."""
    global _plane
    _plane = plane


def plane() -> DataPlane | None:
    """The data plane of this process, if it has one and it has started."""
    return _plane


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process runs. Checks none of its dependencies, so that an outage elsewhere restarts nothing."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """The process accepts requests: the database answers and the process is not stopping."""
    if _plane is not None and _plane.is_draining:
        return JsonResponse({"status": "draining"}, status=503)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM common_revision LIMIT 1")
    except DatabaseError:
        return JsonResponse({"status": "database unavailable"}, status=503)
    return JsonResponse({"status": "ok"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics for requests with the token, 404 for all others."""
    given = request.headers.get("authorization", "").encode()
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given, wanted):
        raise Http404
    response: HttpResponse = ExportToDjangoView(request)
    return response
