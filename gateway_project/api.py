"""The student API as a whole: its routers, its OpenAPI document and its documentation page."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from ninja import NinjaAPI

from apps.chat.routers import router as chat_router

# The data plane's handler checks the key, before it reads the body; Ninja only writes it into the document.
_SECURITY = {
    "components": {"securitySchemes": {"ApiKey": {"type": "http", "scheme": "bearer"}}},
    "security": [{"ApiKey": []}],
}


def _documentation(view: Callable[..., Any]) -> Callable[..., Any]:
    """Open for everybody in development, for staff in production."""
    guarded: Callable[..., Any] = staff_member_required(view) if settings.ENV.is_production else view
    return guarded


api = NinjaAPI(
    title="Stoa",
    version="1",
    description="Point any OpenAI client at this address with the API key of your course.",
    docs_url="/docs",
    openapi_url="/openapi.json",
    docs_decorator=_documentation,
    openapi_extra=_SECURITY,
)
api.add_router("/v1", chat_router)
urls = api.urls
