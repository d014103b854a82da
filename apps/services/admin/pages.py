"""Admin pages of services, for operators."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter

from apps.common.admin import OperatorOnly
from apps.common.display import badge, number
from apps.common.translation import lazy as _
from apps.services.admin.forms import ServiceForm
from apps.services.admin.glance import AtAGlance
from apps.services.admin.versions import Reviewed, ReviewedFormSet
from apps.services.models import Instance, Service, ServiceCourse, ServiceVersion


class InstanceInline(OperatorOnly, TabularInline):
    model = Instance
    formset = ReviewedFormSet
    fields = ("url", "weight", "is_draining", "force")
    extra = 0
    hide_title = True


class CourseInline(OperatorOnly, TabularInline):
    model = ServiceCourse
    formset = ReviewedFormSet
    fields = ("course",)
    autocomplete_fields = ("course",)
    extra = 0
    hide_title = True
    verbose_name_plural = _("Only students of these courses; of all, if there are none")


@admin.register(Service)
class ServiceAdmin(OperatorOnly, AtAGlance, Reviewed):
    empty_text = _(
        "A service is an HTTP server of yours that Stoa fronts at /svc/. Add one with the address of an instance; its "
        "callers use the keys that they have."
    )
    form = ServiceForm
    list_display = ("name", "address", "enabled", "open_to", "instance_count", "rate", "owner", "shown_version")
    list_filter = (("is_enabled", BooleanRadioFilter),)
    search_fields = ("name", "prefix", "owner", "tags", "instances__url")
    search_help_text = _("Name, address, owner, tag or instance")
    inlines = (InstanceInline, CourseInline)
    prepopulated_fields = {"prefix": ("name",)}
    fieldsets = (
        (
            None,
            {"fields": (("name", "prefix"), "is_enabled", ("owner", "release"), "docs_url", "tags")},
        ),
        (_("Who may call it"), {"fields": ("callers", "sends_identity", "cors_origins")}),
        (_("Where it goes"), {"fields": ("allow_private_network", ("balancing", "slow_start_seconds"))}),
        (
            _("Health checks"),
            {
                "fields": (
                    ("health_path", "health_statuses"),
                    ("health_interval_seconds", "health_timeout_seconds"),
                    ("health_good", "health_bad"),
                )
            },
        ),
        (
            _("Requests a minute"),
            {
                "fields": (
                    ("requests_per_minute", "burst"),
                    ("user_requests_per_minute", "user_burst"),
                    ("address_requests_per_minute", "address_burst"),
                    "route_limits",
                ),
                "description": _("An empty field is no limit."),
            },
        ),
        (
            _("Time and size"),
            {
                "fields": (
                    ("connect_timeout_seconds", "first_byte_timeout_seconds"),
                    ("idle_timeout_seconds", "total_timeout_seconds"),
                    ("max_body_bytes", "stream_threshold_bytes"),
                    ("max_connections", "max_keepalive_connections"),
                    "keepalive_expiry_seconds",
                )
            },
        ),
        (
            _("Retries and breaker"),
            {
                "fields": (
                    ("retries", "retry_statuses"),
                    "breaker_misses",
                    ("breaker_share", "breaker_at_least"),
                    ("breaker_pause_seconds", "breaker_longest_seconds"),
                )
            },
        ),
        (
            _("What Stoa changes"),
            {
                "fields": (
                    "strips_prefix",
                    "rewrites",
                    ("set_request_headers", "remove_request_headers"),
                    ("set_response_headers", "remove_response_headers"),
                    ("set_query", "remove_query"),
                )
            },
        ),
        (_("Records"), {"fields": ("sample_percent",)}),
        (_("This change"), {"fields": ("note",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        latest = ServiceVersion.objects.filter(service=OuterRef("pk")).order_by("-number").values("number")[:1]
        rows = super().get_queryset(request)
        return rows.annotate(instance_total=Count("instances", distinct=True), latest=Subquery(latest))

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    @admin.display(description=_("address"), ordering="prefix")
    def address(self, service: Service) -> SafeString:
        return format_html('<code class="stoa-code">/svc/{}/</code>', service.prefix)

    @admin.display(description=_("enabled"), ordering="is_enabled")
    def enabled(self, service: Service) -> SafeString:
        return (
            badge(gettext("enabled"), "good")
            if service.is_enabled
            else badge(gettext("off"), "bad", gettext("Every request is answered 404"))
        )

    @admin.display(description=_("open to"))
    def open_to(self, service: Service) -> str:
        return gettext("anybody") if "anonymous" in service.callers else ", ".join(service.callers)

    @admin.display(description=_("instances"), ordering="instance_total")
    def instance_count(self, service: Any) -> SafeString | str:
        return (
            number(service.instance_total)
            if service.instance_total
            else badge(gettext("none"), "bad", gettext("Requests get 503"))
        )

    @admin.display(description=_("requests a minute"), ordering="requests_per_minute")
    def rate(self, service: Service) -> str:
        return number(service.requests_per_minute) if service.requests_per_minute else gettext("no limit")

    @admin.display(description=_("version"), ordering="latest")
    def shown_version(self, service: Any) -> str:
        return f"{service.latest or 0}" + (f" ({service.release})" if service.release else "")
