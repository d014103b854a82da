"""Middleware of the control plane."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.common.ids import new_id

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class RequestIdMiddleware:
    """Give every request of the control plane an id, and its response the `x-request-id`."""

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
