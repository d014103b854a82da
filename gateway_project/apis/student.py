"""The student API: its routers, its OpenAPI document and its documentation page."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from apps.chat.dialects.openai_chat.schema import CHAT_PARTS
from apps.chat.routers import router as chat_router
from apps.common.errors import GatewayError
from apps.portal.routers import router as portal_router
from apps.services.routers import router as services_router


class _LateResponse(HttpResponse):
    """A response that is built only when it gets content. Chat answers bring their own and never use it."""

    def __init__(self, content_type: str) -> None:
        self._content_type = content_type

    @property
    def content(self) -> bytes:
        return super().content

    @content.setter
    def content(self, value: object) -> None:
        if not hasattr(self, "headers"):
            super().__init__(b"", content_type=self._content_type, status=self.status_code)
        HttpResponse.content.fset(self, value)  # type: ignore[attr-defined]


class StudentAPI(NinjaAPI):
    """Only documents the API key. The data plane's handler checks it, before it reads the body."""

    def get_openapi_schema(self, **options: Any) -> Any:
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"].update(CHAT_PARTS)
        schema["components"]["securitySchemes"] = {"ApiKey": {"type": "http", "scheme": "bearer"}}
        return schema

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """Ninja calls this for each request, before the view."""
        return _LateResponse(self.get_content_type())

    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        """Ninja's own method is in the traceback of what it raises: a circle, which keeps a body in memory for long."""
        if not isinstance(exc, GatewayError):
            return super().on_exception(request, exc)
        try:
            raise exc
        finally:
            del exc

    def get_openapi_operation_id(self, operation: Any) -> str:
        """Generated clients take their method names from this, so it must not contain our module paths."""
        return str(operation.view_func.__name__)


def documentation(view: Callable[..., Any]) -> Callable[..., Any]:
    """Public in development, staff only in production."""
    guarded: Callable[..., Any] = staff_member_required(view) if settings.ENV.is_production else view
    return guarded


api = StudentAPI(
    title="Stoa",
    version="1",
    description="Point any OpenAI client at this address with the API key of your course.",
    docs_url="/docs",
    openapi_url="/openapi.json",
    docs_decorator=documentation,
    openapi_extra={"security": [{"ApiKey": []}]},
)
api.add_router("/v1", chat_router)
api.add_router("/v1", portal_router)
api.add_router("/svc", services_router)
urls = api.urls
