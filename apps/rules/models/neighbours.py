"""What else is where a rule stands: names that are taken, its exceptions, and the patterns beside it."""

from typing import Any

from django.db.models import Q


def is_taken(rule: Any) -> bool:
    """True if another rule of the course has this name."""
    # Forms that leave out the course skip the constraints that include it. A new rule without a course is the
    # institution's, or its course is not set yet; the form checks that case.
    if rule.course_id is None and rule.pk is None:
        return False
    return bool(_all(rule).filter(course=rule.course_id, name=rule.name).exclude(pk=rule.pk).exists())


def excepted(rule: Any) -> frozenset[str]:
    return frozenset(rule.exceptions.values_list("text", flat=True)) if rule.pk is not None else frozenset()


def others(rule: Any) -> list[str] | None:
    """The patterns beside which this one must be admitted; None if it has been."""
    if rule.pk is not None and _all(rule).filter(pk=rule.pk, pattern=rule.pattern).exists():
        return None
    # A copy has been, if its source already stands beside the same patterns.
    beside = _beside(rule)
    return None if rule.source and set(beside) <= set(_beside(rule.source)) else beside


def _beside(rule: Any) -> list[str]:
    rules = _all(rule).filter(Q(course=rule.course_id) | Q(course=None)).exclude(pk=rule.pk)
    return list(rules.values_list("pattern", flat=True))


def _all(rule: Any) -> Any:
    return type(rule)._base_manager.all()
