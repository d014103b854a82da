"""Admin pages of models, for operators."""

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from apps.common.admin import OperatorOnly, Pages
from apps.common.display import NOTHING, badge
from apps.common.translation import lazy as _
from apps.providers.admin.fields import LabelledInline, listed_models
from apps.providers.models import Deployment, LastProbe, Model, Offer


class DeploymentInline(LabelledInline, OperatorOnly, TabularInline):
    """The fields that matter at a glance; the others are on the deployment's own page."""

    model = Deployment
    fields = ("provider", "upstream_model", "priority", "weight", "force", "is_enabled", "more")
    readonly_fields = ("more",)
    autocomplete_fields = ("provider",)
    extra = 0
    hide_title = True

    @admin.display(description=_("limits"))
    def more(self, deployment: Deployment) -> SafeString | str:
        if deployment.pk is None:
            return NOTHING
        address = reverse("admin:providers_deployment_change", args=[deployment.pk])
        return format_html('<a class="stoa-link" href="{}">{}</a>', address, "more")


class OfferInline(LabelledInline, OperatorOnly, TabularInline):
    """The courses that may allow a model which is not for any course."""

    model = Offer
    fields = ("course",)
    autocomplete_fields = ("course",)
    extra = 0
    hide_title = True


@admin.register(Model)
class ModelAdmin(OperatorOnly, Pages):
    empty_text = _(
        "Add a model: the name that students send, and at least one deployment that says where its calls go."
    )
    list_display = ("name", "deployment_count", "course_count", "weights", "max_output_tokens", "is_enabled")
    list_filter = (("is_enabled", BooleanRadioFilter), ("offered_to", ChoicesDropdownFilter))
    search_fields = ("name", "deployments__upstream_model", "deployments__provider__name")
    search_help_text = _("Name, upstream model or provider")
    inlines = (DeploymentInline, OfferInline)
    change_form_outer_before_template = "admin/providers/model/listed.html"
    fieldsets = (
        (None, {"fields": ("name", "is_enabled", "offered_to")}),
        (
            _("What its tokens weigh"),
            {
                "fields": (("input_weight", "cached_input_weight", "output_weight"),),
                "description": _("An allowance counts weighted tokens: an expensive model may weigh more."),
            },
        ),
        (_("Limits"), {"fields": ("context_window", "max_output_tokens", "refused_parameters")}),
        (
            _("Where data goes"),
            {
                "fields": ("hosting", "region"),
                "description": _("For a model whose prompts must stay close. A course may demand more."),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .annotate(
                deployment_total=Count("deployments", distinct=True), course_total=Count("allowed_in", distinct=True)
            )
        )

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        extra = {"listed": listed_models(LastProbe.objects.select_related("provider"))}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    @admin.display(description=_("deployments"), ordering="deployment_total")
    def deployment_count(self, model: Any) -> Any:
        return model.deployment_total or badge(
            gettext("none"), "warning", gettext("Calls of this model go nowhere yet")
        )

    @admin.display(description=_("allowed in"), ordering="course_total")
    def course_count(self, model: Any) -> str:
        return ngettext("{course_total} course", "{course_total} courses", model.course_total).format(
            course_total=model.course_total
        )

    @admin.display(description=_("weights: input, cached, output"))
    def weights(self, model: Model) -> str:
        return " · ".join(
            f"{w.normalize():f}" for w in (model.input_weight, model.cached_input_weight, model.output_weight)
        )
