"""Admin pages of providers and models, for operators. Secrets are write-only."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.accounts.scoping import CourseScoping
from apps.common.admin import OperatorOnly, Pages
from apps.common.display import NOTHING, badge, moment
from apps.providers.models import CourseModel, Credential, Deployment, Model, Provider


class CredentialForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text="Stored encrypted and never shown again. Empty keeps what there is.",
    )

    class Meta:
        model = Credential
        fields = ("label", "weight", "is_enabled")

    def save(self, commit: bool = True) -> Credential:
        credential: Credential = super().save(commit)
        if commit and self.cleaned_data.get("secret"):
            credential.set_secret(self.cleaned_data["secret"])
        return credential


class CredentialInline(OperatorOnly, TabularInline):
    model = Credential
    form = CredentialForm
    fields = ("label", "secret", "state", "used", "weight", "is_enabled")
    readonly_fields = ("state", "used")
    extra = 0
    hide_title = True

    @admin.display(description="state")
    def state(self, credential: Credential) -> SafeString:
        if not credential.ciphertext:
            return badge("no secret yet", "warning")
        return badge("set", "good", f"changed {moment(credential.changed_at)}")

    @admin.display(description="last used")
    def used(self, credential: Credential) -> str:
        return moment(credential.last_used_at)


class DeploymentInline(OperatorOnly, TabularInline):
    model = Deployment
    """The fields that matter at a glance; the others are on the deployment's own page."""

    fields = ("provider", "upstream_model", "priority", "weight", "force", "is_enabled")
    autocomplete_fields = ("provider",)
    extra = 0
    hide_title = True
    show_change_link = True


class ModelsOfProvider(DeploymentInline):
    fields = ("model", "upstream_model", "priority", "weight", "force", "is_enabled")
    autocomplete_fields = ("model",)
    tab = True


@admin.register(Provider)
class ProviderAdmin(OperatorOnly, Pages):
    empty_text = (
        "Add a provider: its base URL up to /v1 and a credential. Any server that speaks the OpenAI API will do; "
        "the echo adapter needs no account."
    )
    list_display = ("name", "adapter", "base_url", "secrets", "deployment_count", "is_enabled")
    list_filter = (("adapter", ChoicesDropdownFilter), ("is_enabled", BooleanRadioFilter))
    search_fields = ("name", "base_url")
    search_help_text = "Name or address"
    inlines = (CredentialInline, ModelsOfProvider)
    fieldsets = (
        (None, {"fields": ("name", "adapter", "base_url", "is_enabled")}),
        (
            "Where data goes",
            {
                "fields": (("hosting", "region"), "identity"),
                "description": "Courses and models may demand a hosting and a region. Calls never cross that.",
            },
        ),
        (
            "What it understands",
            {"fields": (("output_cap", "stream_options"), "extra_headers")},
        ),
        ("Limits", {"fields": (("timeout_seconds", "stall_seconds", "total_seconds"), "max_connections")}),
        ("Network and health checks", {"fields": ("allow_private_network", "probe_path")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        has_secret = Q(credentials__is_enabled=True) & ~Q(credentials__ciphertext="")
        return (
            super()
            .get_queryset(request)
            .annotate(
                secret_count=Count("credentials", filter=has_secret, distinct=True),
                deployment_total=Count("deployments", distinct=True),
            )
        )

    @admin.display(description="credentials")
    def secrets(self, provider: Any) -> SafeString:
        if provider.secret_count:
            return badge(f"{provider.secret_count} set", "good")
        needed = provider.adapter != Provider.Adapter.ECHO
        return badge("no secret yet" if needed else "not needed", "warning" if needed else "")

    @admin.display(description="models", ordering="deployment_total")
    def deployment_count(self, provider: Any) -> int:
        return int(provider.deployment_total)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        # A secret is meant for the server for which it was entered, so it does not move to a new address.
        if not change or not form.instance.moved_from(form.initial.get("base_url", "")):
            return
        entered = [row.instance.pk for formset in formsets for row in formset if _has_secret(row)]
        forgotten = form.instance.forget_secrets(keep=entered)
        if forgotten:
            self.message_user(
                request,
                f"The address changed, so {forgotten} secret(s) were forgotten. Enter them again for the new server.",
                messages.WARNING,
            )


def _has_secret(row: Any) -> bool:
    return bool(getattr(row, "cleaned_data", {}).get("secret"))


@admin.register(Model)
class ModelAdmin(OperatorOnly, Pages):
    empty_text = "Add a model: the name that students send, and at least one deployment that says where its calls go."
    list_display = ("name", "deployment_count", "course_count", "weights", "max_output_tokens", "is_enabled")
    list_filter = (("is_enabled", BooleanRadioFilter),)
    search_fields = ("name", "deployments__upstream_model", "deployments__provider__name")
    search_help_text = "Name, upstream model or provider"
    inlines = (DeploymentInline,)
    fieldsets = (
        (None, {"fields": ("name", "is_enabled")}),
        (
            "What its tokens weigh",
            {
                "fields": (("input_weight", "cached_input_weight", "output_weight"),),
                "description": "An allowance counts weighted tokens: an expensive model may weigh more.",
            },
        ),
        ("Limits", {"fields": ("context_window", "max_output_tokens")}),
        (
            "Where data goes",
            {
                "fields": (("hosting", "region"),),
                "description": "For a model whose prompts must stay close. A course may demand more.",
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

    @admin.display(description="deployments", ordering="deployment_total")
    def deployment_count(self, model: Any) -> Any:
        return model.deployment_total or badge("none", "warning", "Calls of this model go nowhere yet")

    @admin.display(description="allowed in", ordering="course_total")
    def course_count(self, model: Any) -> str:
        return f"{model.course_total} course{'' if model.course_total == 1 else 's'}"

    @admin.display(description="weights: input, cached, output")
    def weights(self, model: Model) -> str:
        return " · ".join(
            f"{w.normalize():f}" for w in (model.input_weight, model.cached_input_weight, model.output_weight)
        )


@admin.register(Deployment)
class DeploymentAdmin(OperatorOnly, Pages):
    empty_text = "A deployment says where the calls of a model go. Add one on the page of its model or provider."
    list_display = ("upstream_model", "model", "provider", "priority", "weight", "forced", "is_enabled")
    list_filter = (("force", ChoicesDropdownFilter), ("is_enabled", BooleanRadioFilter))
    list_select_related = ("model", "provider")
    search_fields = ("upstream_model", "model__name", "provider__name")
    search_help_text = "Upstream model, model or provider"
    autocomplete_fields = ("model", "provider")
    fieldsets = (
        (None, {"fields": ("model", "provider", "upstream_model", "is_enabled")}),
        ("Routing", {"fields": (("priority", "weight"), "force")}),
        (
            "Limits",
            {
                "fields": (("timeout_seconds", "stall_seconds", "total_seconds"), ("context_window", "max_concurrent")),
                "description": "An empty field leaves it to the provider or the model.",
            },
        ),
    )

    @admin.display(description="by hand", ordering="force")
    def forced(self, deployment: Deployment) -> Any:
        return badge(deployment.force, "warning", deployment.get_force_display()) if deployment.force else NOTHING


class CourseModelInline(CourseScoping, TabularInline):
    """The models that a course allows, on the course's own page."""

    model = CourseModel
    fields = ("model",)
    extra = 0
    hide_title = True
    tab = True
