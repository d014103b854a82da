"""Middleware of the control plane."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import SELF, UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.deprecation import MiddlewareMixin

from apps.common import spans, tracing
from apps.common.actors import Actor, acting
from apps.common.errors import Unavailable
from apps.common.ids import new_id
from apps.common.outages import Trouble, database_outage, trouble

logger = logging.getLogger(__name__)
_FOR_PROGRAMS = ("/api/", "/auth/")
GetResponse = Callable[[HttpRequest], Any]


class RequestIdMiddleware:
    """Give every request of the control plane an id, return it as `x-request-id`, and tell the audit log who asks.

    Django's test client calls it synchronously; an event loop and a thread for each request would slow the tests down.
    """

    async_capable = sync_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        request.request_id = new_id()  # type: ignore[attr-defined]
        trace = _trace_of(request)
        if self._is_async:
            return self._answer(request, trace)
        with _at_work_on(request, trace), _span_of(trace) as span, acting(partial(_asker, request)):
            return _described(span, _named(self.get_response(request), request), request)

    async def _answer(self, request: HttpRequest, trace: tracing.Trace) -> HttpResponseBase:
        with _at_work_on(request, trace), _span_of(trace) as span, acting(partial(_asker, request)):
            return _described(span, _named(await self.get_response(request), request), request)


def _trace_of(request: HttpRequest) -> tracing.Trace:
    names = (("traceparent", "HTTP_TRACEPARENT"), ("tracestate", "HTTP_TRACESTATE"))
    found = ((name.encode(), request.META[key].encode("latin-1")) for name, key in names if key in request.META)
    return tracing.continued(found)


def _at_work_on(request: HttpRequest, trace: tracing.Trace) -> AbstractContextManager[None]:
    return tracing.at_work_on(request.request_id, trace)  # type: ignore[attr-defined]


def _span_of(trace: tracing.Trace) -> spans.TraceSpan:
    return spans.request("request", trace=trace.id, remote=trace.parent, may_sample=trace.may_be_sampled)


def _described(span: spans.TraceSpan, response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    if span is not spans.NOTHING:
        route = request.resolver_match.route if request.resolver_match is not None else "unknown"
        span.name(f"{request.method} /{route}")
        span.set(http__route=f"/{route}", http__response__status_code=response.status_code)
        span.set(stoa__request_id=request.request_id)  # type: ignore[attr-defined]
    return response


class LanguageMiddleware(LocaleMiddleware):
    """Pages are in the language that the reader's browser asks for; answers to programs are in English."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path.startswith(_FOR_PROGRAMS):
            translation.activate("en")
        else:
            super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = not request.path.startswith(_FOR_PROGRAMS)
        return super().process_response(request, response) if is_page else response


def _named(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    response.headers["x-request-id"] = request.request_id  # type: ignore[attr-defined]
    return response


def _asker(request: HttpRequest) -> Actor:
    """Whoever is signed in now: during a sign-in that is somebody else than before. May query the database."""
    user = getattr(request, "user", None)
    known = user if user is not None and user.is_authenticated else None
    return Actor(
        "person",
        id=known and known.pk,
        name=known.get_username() if known else "",
        address=request.META.get(
            "REMOTE_ADDR", ""
        ),  # behind a trusted proxy that of the client; see edge/forwarding.py
        request_id=request.request_id,  # type: ignore[attr-defined]
    )


class ContentPolicyMiddleware(CSPMiddleware):
    """Pages load from our own origin only, and inline scripts and styles do not run.

    Pages of the admin may evaluate expressions, because the theme's Alpine.js reads them from attributes. SECURITY.md
    says why its build for strict policies does not do.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if _is_page_of_the_theme(request, response):
            parts.update = {"script-src": [SELF, UNSAFE_EVAL]}
        return parts

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["permissions-policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        answered: HttpResponseBase = super().process_response(request, response)
        return answered


def _is_page_of_the_theme(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Neither the page to sign in nor redirects, refusals and data."""
    is_page = (response.status_code == 200 or hasattr(response, "of_the_theme")) and response.headers.get(
        "content-type", ""
    ).startswith("text/html")
    return is_page and request.path.startswith("/admin/") and request.path != reverse("admin:login")


class ClockMiddleware:
    """Ends with each request the time zone that its page activated: that of the reader, or of the page's course."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(None):
            response: HttpResponseBase = self.get_response(request)
        return response


class DatabaseAwayMiddleware(MiddlewareMixin):
    """Answer 503 with a Retry-After while the database is away or busy, instead of an error page."""

    def process_view(self, request: HttpRequest, view: Any, args: Any, options: Any) -> HttpResponseBase | None:
        """Load the session and the person before other middleware does, whose exceptions get no `process_exception`."""
        try:
            request.user.is_authenticated  # noqa: B018
        except DatabaseError as error:
            if (answer := self.process_exception(request, error)) is None:
                raise
            return answer
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        found = trouble(error)
        if found not in (Trouble.AWAY, Trouble.BUSY):
            return None
        if found is Trouble.AWAY:
            database_outage.began(error)
        else:
            logger.warning("The database is busy: %s", str(error).partition("\n")[0])
        if request.path.startswith(_FOR_PROGRAMS):
            return _unavailable(request, is_away=found is Trouble.AWAY)
        page = render(request, "503.html", {"is_away": found is Trouble.AWAY}, status=503)
        page.headers["retry-after"] = "5"
        return page


def _unavailable(request: HttpRequest, *, is_away: bool) -> HttpResponse:
    if is_away:
        refusal = Unavailable("database_unavailable", "The database is unavailable at the moment. Try again.")
    else:
        refusal = Unavailable("database_busy", "The database is busy at the moment. Try again.")
    body = refusal.json(request_id=request.request_id)  # type: ignore[attr-defined]
    headers = {"cache-control": "no-store", **refusal.headers}
    return HttpResponse(body, status=refusal.status, content_type="application/json", headers=headers)
