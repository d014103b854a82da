"""The health endpoints: `live` and `ready` for supervisors and load balancers, `detail` for operators and scrapers."""

import hmac
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from gateway_project.health import process
from gateway_project.health.components import NEEDED_TO_SERVE, checkup
from gateway_project.health.states import ComponentReport, Condition, rolled_up
from gateway_project.site.system import version


def has_token(request: HttpRequest) -> bool:
    """Whether the request presents METRICS_TOKEN. Without one configured, none does."""
    given = request.headers.get("authorization", "").encode()
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given, wanted)


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process runs. Checks none of its dependencies, so that an outage elsewhere restarts nothing."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """The process accepts requests: it is not stopping, and what it cannot do without works."""
    if process.is_draining():
        return JsonResponse({"status": "draining"}, status=503)
    for report in checkup().look(NEEDED_TO_SERVE):
        if report.condition == Condition.DOWN:
            return JsonResponse({"status": f"{report.name} unavailable"}, status=503)
    return JsonResponse({"status": "ok"})


@require_safe
def detail(request: HttpRequest) -> HttpResponse:
    """Every component with its state, for operators and whoever has the metrics token; 404 for all others."""
    user = request.user
    if not has_token(request) and not (user.is_active and user.is_staff and user.is_superuser):
        raise Http404
    reports = checkup().look()
    overall = rolled_up(reports)
    body = {
        "status": overall,
        "version": version(),
        "uptime_seconds": round(process.uptime(), 1),
        "draining": process.is_draining(),
        "components": _as_json(reports),
    }
    status = 503 if overall == Condition.DOWN else 200
    return JsonResponse(body, status=status, headers={"cache-control": "no-store"})


def _as_json(reports: Sequence[ComponentReport]) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "status": one.condition,
            "essential": one.is_essential,
            "message": one.sentence,
            "since": one.since,
            "checked_at": one.checked_at,
            "milliseconds": round(1000 * one.seconds, 1),
            "last_error": {"message": one.last_error, "at": one.last_error_at} if one.last_error else None,
        }
        for one in reports
    ]
