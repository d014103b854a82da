"""The step in which courses are chosen that may use the models of a provider. It adds and never takes away."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from apps.accounts.models import Course
from apps.providers.admin.setup.page import setup_page, to_step
from apps.providers.models import CourseModel, Model, Offer, Provider

MOST = 50


@dataclass(frozen=True, slots=True)
class ListedCourse:
    """`barred` says why calls of this course may not reach the provider."""

    course: Course
    has: tuple[str, ...]
    barred: str
    settings: str


def step(request: HttpRequest, provider: Provider) -> HttpResponse:
    models = list(Model.objects.filter(deployments__provider=provider).distinct().order_by("name"))
    if request.method == "POST":
        chosen = [model for model in models if str(model.pk) in request.POST.getlist("model")]
        courses = list(Course.objects.filter(pk__in=_numbers(request.POST.getlist("course"))))
        if chosen and courses:
            count = allow(chosen, courses)
            said = ngettext(
                "{courses} course may now use {chosen}.", "{courses} courses may now use {chosen}.", len(courses)
            ).format(courses=len(courses), chosen=_listed(chosen))
            messages.success(request, said if count else gettext("These courses had them already."))
            return to_step(provider, "ask")
        messages.warning(request, gettext("Tick at least one model and one course."))
    query = request.GET.get("q", "").strip()[:100]
    found = Course.objects.filter(is_open=True).order_by("title", "slug")
    if query:
        found = found.filter(Q(title__icontains=query) | Q(slug__icontains=query))
    rows = list(found[: MOST + 1])
    return setup_page(
        request,
        "courses",
        title=gettext("{name}: courses").format(name=provider.name),
        provider=provider,
        models=models,
        courses=_shown(rows[:MOST], models, provider),
        has_more=len(rows) > MOST,
        query=query,
        is_searched=bool(query) or len(rows) > MOST,
    )


def allow(models: Sequence[Model], courses: Sequence[Course]) -> int:
    """Let the courses use the models; those that are not for any course are offered to them too. Returns how many."""
    about: dict[str, Any] = {"model__in": models, "course__in": courses}
    there = set(CourseModel.objects.filter(**about).values_list("model", "course"))
    offered = set(Offer.objects.filter(**about).values_list("model", "course"))
    pairs = [(model, course) for model in models for course in courses if (model.pk, course.pk) not in there]
    named = [
        Offer(model=model, course=course)
        for model, course in pairs
        if model.offered_to != Model.OfferedTo.ANY and (model.pk, course.pk) not in offered
    ]
    with transaction.atomic():
        Offer.objects.bulk_create(named)
        CourseModel.objects.bulk_create([CourseModel(model=model, course=course) for model, course in pairs])
    return len(pairs)


def _shown(rows: Sequence[Course], models: Sequence[Model], provider: Provider) -> list[ListedCourse]:
    has = defaultdict(list)
    for course, name in CourseModel.objects.filter(course__in=rows, model__in=models).values_list(
        "course", "model__name"
    ):
        has[course].append(name)
    return [
        ListedCourse(
            course,
            tuple(sorted(has[course.pk])),
            ""
            if _admits(course, provider)
            else gettext("Its prompts stay {in_words}.").format(in_words=course.demand.in_words()),
            reverse("admin:course_settings", args=[course.slug]),
        )
        for course in rows
    ]


def _admits(course: Course, provider: Provider) -> bool:
    return course.demand.admits(hosting=provider.hosting, region=provider.region)


def _listed(models: Sequence[Model]) -> str:
    return ", ".join(model.name for model in models)


def _numbers(given: Sequence[str]) -> list[int]:
    return [int(value) for value in given if value.isascii() and value.isdigit() and len(value) < 19]
