"""Numbers and durations, written the same in templates as in lists.

Kept free of the admin: the theme renders a template while it is imported, and that loads this module.
"""

from django import template

from apps.common import display

register = template.Library()


@register.filter
def amount(value: int | None) -> str:
    return display.NOTHING if value is None else display.number(value)


@register.filter
def signed(value: int) -> str:
    return display.signed(value)


@register.filter
def duration(milliseconds: int | None) -> str:
    return display.duration(milliseconds)
