"""Services at a glance: how each of them and its instances did in the last hour, and buttons for the instances."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.common.admin import Pages
from apps.common.charts import MINUTE, Chart, bars, minutes
from apps.common.display import NOTHING, Shown, spread
from apps.common.translation import lazy as _
from apps.services.admin import standing
from apps.services.models import Instance, Service
from apps.services.records.figures import MINUTES, SERIES, Figures, LastHour, of_last_hour

# What each button does, its name, and what it means
MOVES: Final[dict[str, tuple[str, str]]] = {
    "up": (_("Force up"), _("forced up: it gets requests despite its failures")),
    "down": (_("Force down"), _("forced down: it gets no requests")),
    "drain": (_("Drain"), _("draining: it gets nothing new")),
    "": (_("Back to automatic"), _("back to automatic: checks and failures decide")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLine:
    instance: Instance
    state: Shown
    last_error: str
    last_check: str
    figures: Figures
    spread: SafeString | str
    moves: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCard:
    service: Service
    state: Shown
    figures: Figures
    lines: list[InstanceLine]
    chart: Chart


class AtAGlance(Pages):
    """Adds the page, its buttons, and a link to it above the list of services."""

    list_before_template = "admin/services/service/to_glance.html"

    def get_urls(self) -> list[URLPattern]:
        glance: Any = self.admin_site.admin_view(self.glance_view)
        steer: Any = self.admin_site.admin_view(self.steer_view)
        return [
            path("glance/", glance, name="services_service_glance"),
            path("instances/<int:pk>/steer/", steer, name="services_instance_steer"),
            *super().get_urls(),
        ]

    def glance_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Services at a glance"),
            "cards": cards(now=timezone.now()),
            "now": timezone.now(),
        }
        return TemplateResponse(request, "admin/services/service/glance.html", context)

    def steer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        move = request.POST.get("move", "")
        if move not in MOVES:
            raise Http404
        instance = get_object_or_404(Instance, pk=pk)
        instance.steer(move)
        said = gettext("{instance} is {moves}. This holds within two seconds.").format(
            instance=instance, moves=MOVES[move][1]
        )
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(f"{reverse('admin:services_service_glance')}#service-{instance.service_id}")


def cards(*, now: datetime) -> list[ServiceCard]:
    """All services; three queries, however many there are."""
    instances = Instance.objects.select_related("health").order_by("pk")
    services = list(Service.objects.prefetch_related(Prefetch("instances", instances)))
    hour = of_last_hour([service.pk for service in services], now=now)
    return [_card(service, hour, now) for service in services]


def _card(service: Any, hour: LastHour, now: datetime) -> ServiceCard:
    instances = list(service.instances.all())
    figures = hour.services.get(service.pk, Figures())
    times = [one.times for instance in instances if (one := hour.instances.get(instance.pk))]
    longest = max((found.p95 for found in times if found is not None), default=0)
    lines = [_line(instance, hour.instances.get(instance.pk, Figures()), longest, now) for instance in instances]
    return ServiceCard(
        service=service,
        state=standing.of_service(service, [line.state for line in lines]),
        figures=figures,
        lines=lines,
        chart=bars(minutes(now, MINUTES), figures.minutes, series=SERIES, unit=MINUTE),
    )


def _line(instance: Instance, figures: Figures, longest: int, now: datetime) -> InstanceLine:
    times = figures.times
    present = "drain" if instance.is_draining else instance.force
    return InstanceLine(
        instance=instance,
        state=standing.of_instance(instance, now=now),
        last_error=standing.last_error(instance),
        last_check=standing.last_check(instance),
        figures=figures,
        spread=spread(p50=times.p50, p95=times.p95, longest=longest) if times is not None else NOTHING,
        moves=[(move, name, meaning) for move, (name, meaning) in MOVES.items() if move != present],
    )
