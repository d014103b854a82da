"""Cells of lists with one class instead of the theme's forty, which were two thirds of a page.

This module must not import the admin: the theme renders a template while it is being imported, which loads this module.
"""

from functools import cache

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def light(cell: SafeString) -> SafeString:
    for heavy, name in _light().items():
        cell = cell.replace(heavy, name, 1)  # type: ignore[assignment]
    return mark_safe(cell)  # noqa: S308  # as safe as it was


@cache
def _light() -> dict[str, str]:
    """`static/stoa/lists.css` says the same as the classes on the left."""
    from unfold.templatetags import unfold_list as theme

    return {
        " ".join(theme.ROW_CLASSES): "stoa-cell",
        " ".join(theme.CHECKBOX_CLASSES): "action-checkbox stoa-cell",
        f'class="{" ".join(theme.LINK_CLASSES)}" >': 'class="stoa-row-link">',
    }
