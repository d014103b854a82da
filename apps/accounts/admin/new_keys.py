"""The page that shows new keys, once, and the same keys as a CSV file."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from apps.accounts import new_keys
from apps.accounts.audit import record
from apps.accounts.course_pages import enter
from apps.accounts.models import ApiKey, Course
from apps.accounts.new_keys import NewKey
from apps.common import spreadsheets
from apps.common.encryption import CannotDecrypt

FILE = "file"  # what the keys of the CSV file are sealed for
COLUMNS = ("student_number", "name", "email", "course", "key", "base_url")


def urls() -> list[URLPattern]:
    """Addresses to add to those of API keys."""
    wrap = admin.site.admin_view
    return [
        path("new/", wrap(shown_page), name="accounts_apikey_new"),
        path("new/file/", wrap(file), name="accounts_apikey_file"),
    ]


def show(request: HttpRequest, keys: list[NewKey]) -> HttpResponse:
    """Send whoever issued keys to the page that shows them. Call it in the transaction that issues them."""
    new_keys.put_aside(request, keys)
    return HttpResponseRedirect(reverse("admin:accounts_apikey_new"))


def shown_page(request: HttpRequest) -> HttpResponse:
    """New keys in full. They must not go into messages, the session or a log, which are stored."""
    if request.method != "GET":  # a look at the headers alone must not use up the only time
        return HttpResponseNotAllowed(["GET"])
    keys = new_keys.take(request)
    slugs = {key.slug for key in keys}
    course = Course.objects.for_staff(request.user).filter(slug__in=slugs).first() if len(slugs) == 1 else None
    if course is not None:
        enter(request, course)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "opts": ApiKey._meta,
        "title": gettext("New API key")
        if len(keys) == 1
        else gettext("{keys} new API keys").format(keys=len(keys))
        if keys
        else gettext("No keys to show"),
        "issued": keys,
        "are_of_students": any(slugs),
        "are_of_several": len(slugs) > 1,
        "base_url": _base_url(request, keys),
        "sealed": new_keys.seal(request, keys, purpose=FILE) if keys else "",
        "minutes": int(new_keys.KEPT.total_seconds() // 60),
        "students_url": reverse("admin:course_students", args=[course.slug]) if course else "",
    }
    return TemplateResponse(request, "admin/accounts/apikey/issued.html", context)


def file(request: HttpRequest) -> HttpResponse:
    """The keys that the page shows. They come from the page itself, where they are sealed: nothing is kept here."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        keys = new_keys.unseal(request, request.POST.get("keys", ""), purpose=FILE)
    except CannotDecrypt:
        raise Http404 from None
    record("keys.exported", after={"rows": len(keys)})
    base_url = _base_url(request, keys)
    rows = ((key.number, key.name, key.email, key.course, key.text, base_url) for key in keys)
    return spreadsheets.response("api-keys", COLUMNS, rows)  # type: ignore[return-value]


def _base_url(request: HttpRequest, keys: list[NewKey]) -> str:
    return request.build_absolute_uri("/v1" if any(key.slug for key in keys) else "/api/staff")
