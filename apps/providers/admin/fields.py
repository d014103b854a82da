"""What fields of providers and deployments say: their labels in tables, and what an empty one means."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.common.display import number
from apps.common.translation import lazy as _
from apps.providers.models import LastProbe

LIST = "listed-models"  # the id of the names that fields of models offer
MOST = 500
LIMITS = ("timeout_seconds", "stall_seconds", "total_seconds")
LONGEST_PLACEHOLDER = 40


class LabelledFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # not subscriptable at runtime
    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].widget.attrs["aria-label"] = gettext("Delete")


class LabelledInline:
    """For inlines in tables: the name of the column is that of each of its fields, also for those who cannot see it."""

    formset = LabelledFormSet

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)  # type: ignore[misc]
        if field is not None:
            widget = getattr(field.widget, "widget", field.widget)  # of a relation, inside its frame of links
            widget.attrs["aria-label"] = str(field.label)
            if db_field.name == "upstream_model":
                widget.attrs["list"] = LIST
        return field


LABELS = {"max_concurrent": _("Most calls at once"), "max_connections": _("Most calls at once, for each web process")}


def say_what_empty_means(form: Any, words: Mapping[str, str]) -> Any:
    """Adds to each of these fields of a form class what holds while it is empty."""
    for name, meaning in words.items():
        if name in form.base_fields:
            field = form.base_fields[name]
            field.label = LABELS.get(name, field.label)
            field.help_text = gettext("{help_text} Empty: {meaning}.").format(
                help_text=field.help_text, meaning=meaning
            )
            if len(meaning) <= LONGEST_PLACEHOLDER:
                field.widget.attrs["placeholder"] = meaning
    return form


def empty_of_provider() -> dict[str, str]:
    return {
        "timeout_seconds": gettext("{first_byte_timeout} seconds for a stream, none for a plain answer").format(
            first_byte_timeout=f"{settings.FIRST_BYTE_TIMEOUT:g}"
        ),
        "stall_seconds": gettext("{stall_timeout} seconds").format(stall_timeout=f"{settings.STALL_TIMEOUT:g}"),
        "total_seconds": gettext("{request_timeout} seconds").format(request_timeout=f"{settings.REQUEST_TIMEOUT:g}"),
        "max_connections": gettext("{max_connections} for the only provider, half of that for one of several").format(
            max_connections=number(settings.MAX_CONNECTIONS)
        ),
    }


def empty_of_deployment(deployment: Any) -> dict[str, str]:
    """What the provider and the model of a stored deployment say, or the settings."""
    if deployment is None:
        of_both = dict.fromkeys(LIMITS, gettext("what the provider has"))
        return {**of_both, "context_window": gettext("what the model has"), "max_concurrent": gettext("no limit")}
    general = empty_of_provider()
    provider = deployment.provider
    stated = {name: getattr(provider, name) for name in LIMITS}
    return {
        **{
            name: gettext("{value} seconds, from {provider}").format(value=f"{value:g}", provider=provider)
            if value
            else general[name]
            for name, value in stated.items()
        },
        "context_window": (
            gettext("{context_window} tokens, from {model}").format(
                context_window=number(deployment.model.context_window), model=deployment.model
            )
            if deployment.model.context_window
            else gettext("not checked")
        ),
        "max_concurrent": gettext("no limit"),
    }


def listed_models(probes: Iterable[LastProbe]) -> SafeString:
    """The names that providers listed when they were last tested, for fields to offer while one types."""
    names = {(name, row.provider.name): None for row in probes for name in row.model_names}
    rows = sorted(names)[:MOST]
    options = format_html_join("", '<option value="{}">{}</option>', rows)
    return format_html('<datalist id="{}">{}</datalist>', LIST, options)
