"""Pages for refusals and failures. In the admin they have its menu, so that everybody finds a way on."""

import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views import defaults

from apps.common.translation import lazy as _
from gateway_project.apis import staff_errors

logger = logging.getLogger(__name__)
PROGRAMS = ("/api/", "/auth/", "/v1/", "/svc/", "/health/", "/metrics", "/.well-known/")


@dataclass(frozen=True, slots=True)
class ErrorWords:
    status: int
    title: str
    sentences: tuple[str, ...]


NOT_FOUND = ErrorWords(
    404,
    _("There is nothing here for you"),
    (
        _("This belongs to a course that you do not teach, or does not exist."),
        _("If it is a course of yours, ask its instructor or the operator to add you to its staff."),
    ),
)
FORBIDDEN = ErrorWords(
    403,
    _("Not allowed"),
    (_("Your account may not do this."), _("If it should, ask the instructor of the course, or the operator.")),
)
BAD_REQUEST = ErrorWords(
    400, _("This request cannot be understood"), (_("Go back, reload the page, and try again from there."),)
)
FAILED = ErrorWords(
    500,
    _("Something went wrong"),
    (
        _("It is not your fault, and it is in the log."),
        _("Try again. If it stays like this, tell the operator the ID below."),
    ),
)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_for_programs(request):
        return defaults.page_not_found(request, exception)
    return _page(request, NOT_FOUND)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_for_programs(request):
        return defaults.permission_denied(request, exception)
    return _page(request, FORBIDDEN)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return staff_errors.bad_request(request, exception) if _is_for_programs(request) else _plain(request, BAD_REQUEST)


def failed(request: HttpRequest) -> HttpResponse:
    """Asks neither the session nor the database, which may be what failed."""
    return staff_errors.server_error(request) if _is_for_programs(request) else _plain(request, FAILED)


def _is_for_programs(request: HttpRequest) -> bool:
    return settings.GATEWAY_ROLE == "data" or request.path.startswith(PROGRAMS)


def _page(request: HttpRequest, words: ErrorWords) -> HttpResponse:
    if not request.path.startswith(reverse("admin:index")):
        return _plain(request, words)
    try:
        return _in_the_shell(request, words)
    except Exception:  # a page about an error must not fail
        logger.exception("The menu could not be shown")
        return _plain(request, words)


def _in_the_shell(request: HttpRequest, words: ErrorWords) -> HttpResponse:
    if not admin.site.has_permission(request):
        return _plain(request, words)
    context = {**admin.site.each_context(request), "title": words.title, **_context(request, words)}
    response = HttpResponse(render_to_string("admin/error.html", context, request), status=words.status)
    response.of_the_theme = True  # type: ignore[attr-defined]  # see ContentPolicyMiddleware
    return response


def _plain(request: HttpRequest, words: ErrorWords) -> HttpResponse:
    return HttpResponse(render_to_string("errors/page.html", _context(request, words)), status=words.status)


def _context(request: HttpRequest, words: ErrorWords) -> dict[str, Any]:
    return {"words": words, "request_id": getattr(request, "request_id", "")}
