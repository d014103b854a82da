"""Amounts of a course in words, for any template: `{% load allowances %}{% in_answers tokens course %}`."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from apps.accounts.models import Course
from apps.common.display import share
from apps.quotas.in_words import UsualCall, in_words

register = template.Library()
_KEPT = "_stoa_usual_calls"


@register.filter
def week_bar_of(balance: Any) -> SafeString:
    """Used and held tokens of any account as a bar against its limit."""
    return share(used=balance.used, held=balance.held, limit=balance.limit)


@register.simple_tag(takes_context=True)
def in_answers(context: Any, tokens: int | None, course: Course) -> str:
    """An amount as answers of the course's usual model, such as “about 60 answers of tutor”; empty if none is known.

    One query for each course on a page.
    """
    kept: dict[int, UsualCall | None] = context["request"].__dict__.setdefault(_KEPT, {})
    if course.pk not in kept:
        kept[course.pk] = _usual(course)
    return in_words(tokens, kept[course.pk])


def _usual(course: Course) -> UsualCall | None:
    # The theme loads this library while the admin is being imported, when there are no models yet.
    from apps.conversations.lockouts import usual_call

    return usual_call(course)
