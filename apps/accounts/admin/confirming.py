"""Pages that say what will happen to whom, before a button does it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.accounts.models import Membership

SHOWN = 20  # people who are listed by name


def confirm(
    request: HttpRequest,
    *,
    opts: Any,
    title: str,
    sentences: Sequence[str],
    button: str,
    back: str,
    people: Sequence[Membership] = (),
    **more: Any,
) -> HttpResponse:
    """Ask. The page posts `confirmed` to its own address, or to `action`. Without a button there is nothing to do."""
    context = {
        **admin.site.each_context(request),
        "opts": opts,
        "title": title,
        "sentences": sentences,
        "button": button,
        "back": back,
        "action": request.path,
        "once": "yes",
        "people": people[:SHOWN],
        "more": max(0, len(people) - SHOWN),
        **more,
    }
    return TemplateResponse(request, "admin/accounts/confirm.html", context)


def is_confirmed(request: HttpRequest) -> bool:
    return request.method == "POST" and bool(request.POST.get("confirmed"))


def page_of_student(member: Membership) -> str:
    """The address of a student's page."""
    return reverse("admin:course_student", args=[member.course.slug, member.pk])
