"""Admin pages of providers and their credentials, for operators. Secrets are write-only."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.accounts.sign_in.step_up import StepUp
from apps.common.admin import OperatorOnly
from apps.common.display import NOTHING, badge, moment, number, when
from apps.common.nudges import nudge
from apps.common.translation import lazy as _
from apps.providers.admin.checks import HealthChecks
from apps.providers.admin.fields import LabelledInline, empty_of_provider, say_what_empty_means
from apps.providers.admin.models import DeploymentInline
from apps.providers.admin.setup.forms import NAME_ERROR
from apps.providers.admin.setup.pages import ProviderSetup
from apps.providers.models import Credential, Provider
from apps.providers.validation import validate_secret


class CredentialForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        required=False,
        strip=True,
        validators=[validate_secret],
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password", "aria-label": _("Secret")}, render_value=False
        ),
        help_text=_("Stored encrypted and never shown again. Empty keeps what there is."),
    )

    class Meta:
        model = Credential
        fields = ("label", "weight", "is_enabled")

    def save(self, commit: bool = True) -> Credential:
        credential: Credential = super().save(commit)
        if commit and self.cleaned_data.get("secret"):
            credential.set_secret(self.cleaned_data["secret"])
        return credential


class CredentialInline(LabelledInline, OperatorOnly, TabularInline):
    model = Credential
    form = CredentialForm
    fields = ("label", "secret", "state", "used", "weight", "is_enabled")
    readonly_fields = ("state", "used")
    extra = 0
    hide_title = True

    @admin.display(description=_("state"))
    def state(self, credential: Credential) -> SafeString:
        if not credential.ciphertext:
            return badge(gettext("none yet"), "warning")
        return badge(
            gettext("stored"), "", gettext("changed {changed_at}").format(changed_at=moment(credential.changed_at))
        )

    @admin.display(description=_("last used"))
    def used(self, credential: Credential) -> str:
        return when(credential.last_used_at)


class ModelsOfProvider(DeploymentInline):
    fields = ("model", "upstream_model", "priority", "weight", "force", "is_enabled", "more")
    autocomplete_fields = ("model",)
    tab = True


class ProviderAdmin(OperatorOnly, StepUp, ProviderSetup, HealthChecks):
    empty_text = _(
        "Add a provider: OpenAI, Azure, Mistral, a model server of your own, or anything else with OpenAI's API. "
        "Echo needs no account."
    )
    list_display: ClassVar[Any] = ("name", "address", "keys", "deployment_count")
    list_filter = (("adapter", ChoicesDropdownFilter), ("is_enabled", BooleanRadioFilter))
    search_fields = ("name", "base_url")
    search_help_text = _("Name or address")
    inlines = (CredentialInline, ModelsOfProvider)
    fieldsets = (
        (None, {"fields": ("name", "adapter", "base_url", "is_enabled")}),
        (
            _("Where data goes"),
            {
                "fields": ("hosting", "region", "identity"),
                "description": _("Courses and models may demand a hosting and a region. Calls never cross that."),
            },
        ),
        (
            _("What it understands"),
            {"fields": ("output_cap", "adds_output_cap", "stream_options", "extra_headers")},
        ),
        (_("Limits"), {"fields": ("timeout_seconds", "stall_seconds", "total_seconds", "max_connections")}),
        (_("Network and health checks"), {"fields": ("allow_private_network", "probe_path")}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if db_field.name == "extra_headers":
            field.widget.attrs["rows"] = 3
        if db_field.name == "name":
            field.error_messages["invalid"] = NAME_ERROR
        return field

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return say_what_empty_means(super().get_form(request, obj, change=change, **options), empty_of_provider())

    def get_queryset(self, request: HttpRequest) -> Any:
        has_secret = Q(credentials__is_enabled=True) & ~Q(credentials__ciphertext="")
        return (
            super()
            .get_queryset(request)
            .prefetch_related("probes__credential", "credentials__health", "deployments__health")
            .annotate(
                secret_count=Count("credentials", filter=has_secret, distinct=True),
                deployment_total=Count("deployments", distinct=True),
            )
        )

    @admin.display(description=_("address"), ordering="base_url")
    def address(self, provider: Provider) -> SafeString | str:
        if provider.adapter == Provider.Adapter.ECHO:
            return gettext("inside Stoa")
        return format_html('<span class="stoa-clip" title="{}">{}</span>', provider.base_url, provider.base_url)

    @admin.display(description=_("keys"))
    def keys(self, provider: Any) -> SafeString | str:
        if provider.secret_count or provider.adapter == Provider.Adapter.ECHO:
            return number(provider.secret_count) if provider.secret_count else NOTHING
        return gettext("none")

    @admin.display(description=_("models"), ordering="deployment_total")
    def deployment_count(self, provider: Any) -> int:
        return int(provider.deployment_total)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        provider, before = form.instance, form.initial
        provider.probes.all().delete()  # what they found may no longer be true
        nudge("apps.providers.tasks.probe_providers")
        if provider.advice and provider.base_url != before.get("base_url"):
            self.message_user(request, provider.advice, messages.WARNING)
        if change and provider.moved_from(before["base_url"]):
            entered = [row.instance.pk for formset in formsets for row in formset if _has_secret(row)]
            has_new_headers = provider.extra_headers != before["extra_headers"]
            self._forget_secrets(request, provider, keep=entered, keep_headers=has_new_headers)

    def _forget_secrets(self, request: HttpRequest, provider: Provider, **kept: Any) -> None:
        """A secret is meant for the server for which it was entered, so it does not move to a new address."""
        if forgotten := provider.forget_secrets(**kept):
            self.message_user(
                request,
                gettext(
                    "The address changed, so {forgotten} secrets and headers were forgotten. Enter the new server's."
                ).format(forgotten=forgotten),
                messages.WARNING,
            )


def _has_secret(row: Any) -> bool:
    return bool(getattr(row, "cleaned_data", {}).get("secret"))
