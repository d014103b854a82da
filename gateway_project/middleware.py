"""Middleware of the control plane."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import SELF, UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.db import OperationalError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from apps.common.ids import new_id
from apps.common.outages import database_outage

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class RequestIdMiddleware:
    """Give every request of the control plane an id, and return it as `x-request-id`."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.request_id = new_id()  # type: ignore[attr-defined]
        response = await self.get_response(request)
        response.headers["x-request-id"] = request.request_id  # type: ignore[attr-defined]
        return response


class ContentPolicyMiddleware(CSPMiddleware):
    """Pages load from our own origin only, and inline scripts and styles do not run.

    Pages of the admin may evaluate expressions, because Alpine.js reads them from attributes.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path.startswith("/admin/"):
            parts.update = {"script-src": [SELF, UNSAFE_EVAL]}
        return parts

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["permissions-policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        answered: HttpResponseBase = super().process_response(request, response)
        return answered


class DatabaseAwayMiddleware(MiddlewareMixin):
    """Answer 503 with a Retry-After while the database is unavailable, instead of an error page."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        if not isinstance(error, OperationalError):
            return None
        database_outage.began(error)
        page = render(request, "503.html", status=503)
        page.headers["retry-after"] = "5"
        return page
