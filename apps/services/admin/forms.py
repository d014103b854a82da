"""The form of a service. Lists are written one item a line, names with their values as `name: value`."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.common.translation import lazy as _
from apps.services.models import Service
from apps.services.models.fields import CallerKind


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}), **options)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(map(str, value or ()))

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(list(initial or ()) != self.to_python(data))

    def run_validators(self, value: Any) -> None:
        """The model's do it."""


class PairsField(LinesField):
    """Names and values, one pair a line."""

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(f"{name}: {one}" for name, one in (value or {}).items())

    def to_python(self, value: Any) -> Any:
        pairs: dict[str, str] = {}
        for line in super().to_python(value):
            name, colon, one = line.partition(":")
            if not colon:
                raise forms.ValidationError(
                    gettext("Write “{line}” as a name, a colon and the value.").format(line=line[:60])
                )
            if name.strip() in pairs:
                raise forms.ValidationError(gettext("“{name}” is given twice.").format(name=name.strip()[:60]))
            pairs[name.strip()] = one.strip()
        return pairs

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((data or "").splitlines() != self.prepare_value(initial or {}).splitlines())


class JsonListField(forms.CharField):
    """A list written in JSON. What is shown again is the text as it was entered, whatever it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **options)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value or [], ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        try:
            found = json.loads(value or "[]")
            json.dumps(found, ensure_ascii=False, allow_nan=False).encode()  # neither NaN nor half a character
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(gettext("Write a list as valid JSON.")) from error
        if not isinstance(found, list):
            raise forms.ValidationError(gettext("Write a list as valid JSON."))
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except forms.ValidationError:
            return True

    def run_validators(self, value: Any) -> None:
        """The model's do it."""


class StatusesField(forms.CharField):
    """A list of statuses, with commas between."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget, **options)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else ", ".join(map(str, value or ()))

    def to_python(self, value: Any) -> Any:
        words = (value or "").replace(",", " ").split()
        if not all(word.isascii() and word.isdigit() and len(word) == 3 for word in words):
            raise forms.ValidationError(gettext("Write statuses with commas between, such as 502, 503, 504."))
        return [int(word) for word in words]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)

    def run_validators(self, value: Any) -> None:
        """The model's do it."""


class CallersField(forms.MultipleChoiceField):
    def __init__(self, **options: Any) -> None:
        boxes = UnfoldAdminCheckboxSelectMultipleWidget
        super().__init__(choices=CallerKind.choices, widget=boxes, **options)


def _of(kind: type[Any], name: str, how: str = "", **options: Any) -> Any:
    """A field with the help of the column, and how it is written here."""
    column: Any = Service._meta.get_field(name)
    return kind(initial=column.get_default, help_text=f"{column.help_text} {how}".strip(), **options)


LINES, PAIRS = _("One a line."), _("One a line, as name: value.")


LABELS = {
    "address_burst": _("Burst of each address"),
    "address_requests_per_minute": _("Each address"),
    "breaker_at_least": _("Minimum requests"),
    "breaker_misses": _("Failures in a row"),
    "breaker_share": _("Share of failures"),
    "burst": _("Burst of each key"),
    "health_bad": _("Bad checks"),
    "health_good": _("Good checks"),
    "health_path": "Path",
    "health_statuses": _("Good statuses"),
    "requests_per_minute": _("Each key"),
    "user_burst": _("Burst of each student"),
    "user_requests_per_minute": _("Each student"),
}


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]
    callers = _of(CallersField, "callers")
    tags = _of(LinesField, "tags", LINES)
    cors_origins = _of(LinesField, "cors_origins", LINES, label=_("CORS origins"))
    retry_statuses = _of(StatusesField, "retry_statuses")
    rewrites = _of(JsonListField, "rewrites")
    route_limits = _of(JsonListField, "route_limits")
    set_request_headers = _of(PairsField, "set_request_headers", PAIRS)
    remove_request_headers = _of(LinesField, "remove_request_headers", LINES)
    set_response_headers = _of(PairsField, "set_response_headers", PAIRS)
    remove_response_headers = _of(LinesField, "remove_response_headers", LINES)
    set_query = _of(PairsField, "set_query", PAIRS)
    remove_query = _of(LinesField, "remove_query", LINES)
    note = forms.CharField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        label=_("Why"),
        help_text=_("Kept with the version that this makes."),
    )

    class Meta:
        model = Service
        fields = "__all__"
        labels = LABELS
