"""Template filters that format numbers and durations as the lists of the admin do.

This module must not import the admin: the theme renders a template while it is being imported, which loads this module.
"""

from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from apps.common import display
from apps.common.filter_chips import Bar, bar

register = template.Library()


@register.filter
def amount(value: int | str | None) -> str:
    return display.NOTHING if value is None else display.number(int(value))


@register.filter
def signed(value: int) -> str:
    return display.signed(value)


@register.filter
def duration(milliseconds: int | None) -> str:
    return display.duration(milliseconds)


@register.filter
def when(value: datetime | None) -> str:
    """An instant, with its seconds and its time zone on hover."""
    return display.when(value)


@register.filter
def moment(value: datetime | None) -> str:
    """An instant as text alone, for attributes and sentences."""
    return display.moment(value)


@register.filter
def instant(value: datetime | None) -> str:
    """An instant to the second."""
    return display.instant(value)


@register.filter
def week_of(starts_at: datetime, ends_at: datetime) -> str:
    return display.week_of(starts_at, ends_at)


@register.simple_tag(takes_context=True)
def filter_bar(context: Any, changelist: Any) -> Bar:
    return bar(changelist.filter_specs, changelist, context["request"].GET)


@register.filter
def named(field: Any) -> SafeString:
    """A field of a table of forms, which has no label of its own: named by its column."""
    described = field.as_widget(attrs={"aria-label": capfirst(field.label)})
    initial = field.as_hidden(only_initial=True) if field.field.show_hidden_initial else ""
    return format_html("{}{}", described, initial)


@register.simple_tag
def zone_name() -> str:
    """The clock of the page."""
    return display.zone_name()


@register.filter
def week_bar(standing: Any) -> SafeString:
    """Used and held tokens as a bar against the limit."""
    return display.share(used=standing.balance.used, held=standing.balance.held, limit=standing.limit)


@register.filter
def spark(counts: Any, label: str) -> SafeString:
    """A bar for each count. `label` says what is counted."""
    return display.sparkline(list(counts), label=label)
