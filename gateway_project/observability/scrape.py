"""What Prometheus reads."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from gateway_project.health.views import has_token


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics for requests with the token, 404 for all others."""
    if not has_token(request):
        raise Http404
    response: HttpResponse = ExportToDjangoView(request)
    return response
