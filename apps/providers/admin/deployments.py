"""Admin pages of deployments: how each of them is doing, and what an operator can do about it.

`gateway_project/site` registers them, with the traffic of calls, which this app does not know.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter

from apps.common.admin import ChoiceFilter, OperatorOnly, Pages
from apps.common.charts import Chart, bars, stretch
from apps.common.translation import lazy as _
from apps.providers.admin import standing
from apps.providers.admin.fields import LIST, empty_of_deployment, listed_models, say_what_empty_means
from apps.providers.models import Deployment, DeploymentHealth, LastProbe, ProviderEvent

AUTOMATIC = ""
DONE: dict[str, str] = {
    AUTOMATIC: _("back to automatic: failures decide"),
    Deployment.Force.OPEN: _("forced open: no calls go there"),
    Deployment.Force.CLOSED: _("forced closed: calls go there despite its failures"),
    Deployment.Force.DRAIN: _("draining: no new calls go there"),
}
LATEST = 20
DAYS = 30
SERIES: dict[str, str] = {ProviderEvent.Kind.DOWN: "down", ProviderEvent.Kind.BACK: "back"}


class StateFilter(ChoiceFilter):
    title = _("state")
    parameter_name = "state"

    def options(self, request: HttpRequest) -> Iterable[tuple[str, str]]:
        return (
            ("trouble", gettext("Open, cooling or on probation")),
            ("hand", gettext("Forced or draining")),
            ("well", gettext("Well")),
        )

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        is_cooling = Q(health__standing="cooling", health__until__gt=timezone.now())
        is_troubled = Q(force="") & (Q(health__standing__in=("open", "probation")) | is_cooling)
        if value == "trouble":
            return queryset.filter(is_troubled)
        return queryset.exclude(force="") if value == "hand" else queryset.filter(force="").exclude(is_troubled)


class DeploymentAdmin(OperatorOnly, Pages):
    empty_text = _("A deployment says where the calls of a model go. Add one on the page of its model or provider.")
    list_display: ClassVar[Any] = ("upstream_model", "state", "place", "provider", "is_enabled")
    list_filter = (
        StateFilter,
        ("provider", RelatedDropdownFilter),
        ("model", RelatedDropdownFilter),
        ("is_enabled", BooleanRadioFilter),
    )
    list_select_related = ("model", "provider", "health")
    search_fields = ("upstream_model", "model__name", "provider__name")
    search_help_text = _("Upstream model, model or provider")
    autocomplete_fields = ("model", "provider")
    actions = ("force_open", "force_closed", "drain", "back_to_automatic")
    change_form_outer_before_template = "admin/providers/deployment/card.html"
    fieldsets = (
        (
            None,
            {
                "fields": ("model", "provider", "upstream_model", "is_enabled"),
                "description": _(
                    "A deployment sends calls of a model to a provider. With several, a model can still "
                    "answer when one fails."
                ),
            },
        ),
        (_("Routing"), {"fields": (("priority", "weight"), "force")}),
        (
            _("Limits"),
            {
                "fields": ("timeout_seconds", "stall_seconds", "total_seconds", "context_window", "max_concurrent"),
            },
        ),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if db_field.name == "upstream_model":
            field.widget.attrs["list"] = LIST
        return field

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return say_what_empty_means(super().get_form(request, obj, change=change, **options), empty_of_deployment(obj))

    def get_urls(self) -> list[URLPattern]:
        view: Any = self.admin_site.admin_view(self.force_view)
        return [path("<int:pk>/force/", view, name="providers_deployment_force"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("provider__credentials__health", "provider__probes")

    # The list

    @admin.display(description=_("state"))
    def state(self, deployment: Any) -> SafeString:
        shown = standing.of_deployment(deployment, now=timezone.now())
        error = "" if deployment.force or shown.level == "good" else standing.last_error(_health(deployment))
        return standing.with_detail(shown, error or shown.meaning)

    @admin.display(description=_("model"), ordering="model")
    def place(self, deployment: Deployment) -> SafeString:
        said = gettext("order {priority}, share {weight}").format(
            priority=deployment.priority, weight=deployment.weight
        )
        return format_html('{}<small class="stoa-sub">{}</small>', deployment.model, said)

    @admin.action(description=_("Force open: send no calls there"), permissions=("change",))
    def force_open(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._force(request, queryset, Deployment.Force.OPEN)

    @admin.action(description=_("Force closed: use it despite its failures"), permissions=("change",))
    def force_closed(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._force(request, queryset, Deployment.Force.CLOSED)

    @admin.action(description=_("Drain: no new calls"), permissions=("change",))
    def drain(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._force(request, queryset, Deployment.Force.DRAIN)

    @admin.action(description=_("Back to automatic"), permissions=("change",))
    def back_to_automatic(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._force(request, queryset, AUTOMATIC)

    def _force(self, request: HttpRequest, queryset: QuerySet[Any], force: str) -> None:
        count = Deployment.objects.filter(pk__in=queryset.values("pk")).update(force=force)
        said = ngettext(
            "{count} deployment {done}. This holds within two seconds.",
            "{count} deployments {done}. This holds within two seconds.",
            count,
        ).format(count=count, done=DONE[force])
        self.message_user(request, said, messages.SUCCESS)

    # The page

    def force_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        force = request.POST.get("force", AUTOMATIC)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        if force not in DONE:
            raise Http404
        deployment = get_object_or_404(Deployment, pk=pk)
        self._force(request, Deployment.objects.filter(pk=deployment.pk), force)
        return HttpResponseRedirect(reverse("admin:providers_deployment_change", args=[pk]))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        extra = {"listed": listed_models(LastProbe.objects.select_related("provider"))}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        deployment = self.get_object(request, object_id)
        extra = self.card(deployment, now=timezone.now()) if deployment is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def card(self, deployment: Any, *, now: datetime) -> dict[str, Any]:
        """What stands above the form."""
        events = ProviderEvent.objects.filter(provider=deployment.provider_id)
        about = events.filter(Q(deployment=deployment) | Q(deployment=None, credential__isnull=False)).select_related(
            "credential"
        )
        health = _health(deployment)
        return {
            "deployment": deployment,
            "shown": standing.of_deployment(deployment, now=now),
            "health": health,
            "last_error": standing.last_error(health),
            "credentials": [
                (one, standing.of_credential(one, now=now)) for one in deployment.provider.credentials.all()
            ],
            "moves": [(force, DONE[force]) for force in DONE if force != deployment.force],
            "events": list(about[:LATEST]),
            "chart": _history(events.filter(deployment=deployment), now),
        }


def _health(deployment: Any) -> DeploymentHealth | None:
    return getattr(deployment, "health", None)


def _history(events: QuerySet[ProviderEvent], now: datetime) -> Chart:
    """How often it went down and came back, by day (UTC)."""
    today = now.date()
    first = today - timedelta(days=DAYS - 1)
    counts: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    since = datetime(first.year, first.month, first.day, tzinfo=now.tzinfo)
    for kind, at in events.filter(kind__in=SERIES, at__gte=since).values_list("kind", "at"):
        counts[at.date()][SERIES[kind]] += 1
    return bars(stretch(first, today), counts, series=SERIES.values())
