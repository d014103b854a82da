"""Template filters that format numbers and durations as the lists of the admin do.

This module must not import the admin: the theme renders a template while it is being imported, which loads this module.
"""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from apps.common import display

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
def week_bar(standing: Any) -> SafeString:
    """Used and held tokens as a bar against the limit."""
    return display.share(used=standing.balance.used, held=standing.balance.held, limit=standing.limit)


@register.filter
def spark(counts: Any, label: str) -> SafeString:
    """A bar for each count. `label` says what is counted."""
    return display.sparkline(list(counts), label=label)
