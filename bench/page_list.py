"""The pages of `python -m bench.pages`: those of a course, those of rows, and every list with its filters."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

COURSE_PAGES = ("today", "students", "rules", "conversations", "allowance", "settings", "close")
CHOICES = 6  # of a filter
SEARCHES = {"Thread": "loop", "Course": "algebra", "Rule": "homework"}
SEARCH = "0012"  # elsewhere: the number of a student

Named = tuple[str, str]


def pages_of(client: Any, courses: list[Any]) -> Iterator[Named]:
    """Names and addresses, in the order of the menu. Lists are asked for their filters."""
    yield "first page", "/admin/"
    largest, *others = courses
    for course in [largest, *others[-1:]]:
        yield from _of_course(client, course)
    yield from _rows(largest)
    yield from _lists(client)


def _of_course(client: Any, course: Any) -> Iterator[Named]:
    from django.urls import reverse

    for page in COURSE_PAGES:
        address = reverse(f"admin:course_{page}", args=[course.slug])
        yield f"course {course.slug}: {page}", address
        if page in ("rules", "conversations"):
            yield from _variants(client, f"course {course.slug}: {page}", address)
    students = reverse("admin:course_students", args=[course.slug])
    yield f"course {course.slug}: students, search", f"{students}?q={SEARCH}"
    for member in course.memberships.order_by("pk")[:1]:
        yield f"course {course.slug}: a student", reverse("admin:course_student", args=[course.slug, member.pk])


def _rows(course: Any) -> Iterator[Named]:
    """The page of one row of each kind that belongs to the course."""
    from django.urls import reverse

    from apps.conversations.models import Appeal
    from apps.quotas.models import AllowanceRequest, QuotaPolicy

    rows = (
        course.rules.first(),
        course.threads.first(),
        course.calls.first(),
        Appeal.objects.filter(call__course=course).first(),
        AllowanceRequest.objects.filter(membership__course=course).first(),
        QuotaPolicy.objects.filter(course=course).first(),
        course.memberships.first(),
    )
    for row in rows:
        if row is not None:
            name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
            yield f"a row of {row._meta.verbose_name_plural}", reverse(name, args=[row.pk])


def _lists(client: Any) -> Iterator[Named]:
    from django.contrib import admin
    from django.urls import reverse

    for model, page in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        if client.get(address).status_code != 200:
            continue  # not a page of this person, or one that leads elsewhere
        name = f"list of {page.opts.verbose_name_plural}"
        yield name, address
        yield from _variants(client, name, address)


def _variants(client: Any, name: str, address: str) -> Iterator[Named]:
    """The list searched, its second page, and narrowed by each choice of each filter."""
    data = getattr(client.get(address), "context_data", None) or {}
    if (changelist := data.get("cl")) is None:
        return
    if changelist.search_fields:
        yield f"{name}, search", f"{address}?q={SEARCHES.get(changelist.model.__name__, SEARCH)}"
    if changelist.paginator.num_pages > 1:
        yield f"{name}, second page", f"{address}?p=2"
    for title, queries in _filters(changelist):
        for query in queries[:CHOICES]:
            yield f"{name}, {title}: {query.split('=')[-1]}", f"{address}?{query}"


def _filters(changelist: Any) -> Iterator[tuple[str, list[str]]]:
    for spec in changelist.filter_specs:
        if choices := getattr(spec, "lookup_choices", None):
            parameter = getattr(spec, "parameter_name", None) or spec.lookup_kwarg
            yield spec.title, [urlencode({parameter: value}) for value, _ in choices if value not in (None, "")]
        elif choices := getattr(getattr(spec, "field", None), "flatchoices", None):
            yield spec.title, [urlencode({spec.lookup_kwarg: value}) for value, _ in choices]
        elif hasattr(spec, "lookup_kwarg"):
            yield spec.title, [urlencode({spec.lookup_kwarg: value}) for value in (1, 0)]
