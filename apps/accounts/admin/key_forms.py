"""The form of an API key: what it may be used for."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from apps.accounts.models import ApiKey
from apps.accounts.scopes import Scopes
from apps.common.translation import lazy as _

SURFACE_CHOICES = {
    "chat": _("chat: ask models"),
    "usage": _("usage: read the allowance, file requests and appeals"),
    "svc": _("svc: services"),
}
MOST_NAMES = 100


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Empty scopes leave the key everything that its member may use."""

    allowed_surfaces = forms.MultipleChoiceField(
        label=_("Surfaces"),
        required=False,
        choices=list(SURFACE_CHOICES.items()),  # no key of a member opens the staff API
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=ApiKey._meta.get_field("allowed_surfaces").help_text,
    )

    class Meta:
        model = ApiKey
        fields = (
            "membership", "name", "expires_at", "allowed_models", "allowed_surfaces", "allowed_services", "assignment",
            "reads_only",
        )  # fmt: skip
        widgets = {
            "allowed_models": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "allowed_services": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "expires_at" in self.fields:
            zone = timezone.get_current_timezone_name()
            self.fields["expires_at"].help_text = gettext("Empty: never. Times are those of {zone}.").format(zone=zone)
        self.initial["allowed_surfaces"] = str(self.initial.get("allowed_surfaces", "")).split()

    def clean_allowed_models(self) -> str:
        return self._listed("allowed_models", "models")

    def clean_allowed_services(self) -> str:
        return self._listed("allowed_services", "services")

    def _listed(self, field: str, what: str) -> str:
        names = self.cleaned_data[field].split()
        if len(names) > MOST_NAMES:
            raise forms.ValidationError(
                gettext("Name at most {most_names} {what}.").format(most_names=MOST_NAMES, what=what)
            )
        return "\n".join(dict.fromkeys(names))

    def clean_allowed_surfaces(self) -> str:
        return " ".join(self.cleaned_data["allowed_surfaces"])


def in_words(scopes: Scopes) -> list[str]:
    """What narrows a key, for a list."""
    said = [
        gettext("models: {names}").format(names=", ".join(sorted(scopes.models))) if scopes.models is not None else "",
        gettext("only {names}").format(names=", ".join(sorted(scopes.surfaces))) if scopes.surfaces is not None else "",
        gettext("services: {names}").format(names=", ".join(sorted(scopes.services)))
        if scopes.services is not None
        else "",
        gettext("assignment {assignment}").format(assignment=scopes.assignment) if scopes.assignment else "",
        gettext("read only") if scopes.reads_only else "",
    ]
    return [words for words in said if words]
