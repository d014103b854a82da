"""The staff API: its resources, its OpenAPI document and its documentation page."""

from typing import Any

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.urls import include, path, re_path
from django.views.generic import TemplateView
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from apps.accounts.api.viewsets import AuditViewSet
from apps.common.staff import IsStaff
from apps.conversations.api.viewsets import CallViewSet
from apps.dataplane.requests import ErrorOut
from apps.services.api.services import ServiceViewSet
from apps.services.api.viewsets import ServiceRecordViewSet

REFUSALS = {
    "400": "The request is wrong: an unknown parameter, a value that makes no sense.",
    "401": "Nobody is signed in, or the key is not valid.",
    "403": "Whoever asks is not staff, or the key is not for this.",
    "404": "There is nothing at this address, or it belongs to a course that is not yours.",
    "500": "Stoa failed.",
    "503": "A part of Stoa is away.",
}

router = SimpleRouter(trailing_slash=False)
router.register("audit", AuditViewSet, basename="audit")
router.register("calls", CallViewSet, basename="call")
router.register("services", ServiceViewSet, basename="service")
router.register("service-requests", ServiceRecordViewSet, basename="service-request")


class OpenApiDocument(SpectacularJSONAPIView):
    """The OpenAPI document: public in development, staff only in production."""

    renderer_classes = [JSONRenderer]
    permission_classes = [IsStaff if settings.ENV.is_production else AllowAny]


class Nothing(APIView):
    """Every other address. Strangers get the same 401 as at a real one, so that they cannot probe for addresses."""

    schema = None

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Declares the session in the OpenAPI document."""

    target_class = "apps.common.staff.StaffSession"
    name = "StaffSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the admin. What changes something also needs its CSRF token.",
        }


class StaffBearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Declares staff keys and access tokens in the OpenAPI document."""

    target_class = "apps.accounts.staff_bearer.StaffBearer"
    name = "StaffBearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A staff key (stoa_stf_), or an access token for a name and a password. It sees what its "
            "holder sees. Most keys only read.",
        }


def describe_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the same error responses to every operation."""
    error = ErrorOut.model_json_schema(ref_template="#/components/schemas/{model}")
    result["components"]["schemas"] |= {**error.pop("$defs"), "ErrorOut": error}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"] |= {
                status: {"description": meaning, "content": content} for status, meaning in REFUSALS.items()
            }
    return result


def _documentation() -> Any:
    """The student API's documentation page, showing this document instead."""
    view = TemplateView.as_view(
        template_name="ninja/swagger.html",
        extra_context={
            "api": {"title": "Stoa staff API"},
            "swagger_settings": '{"layout": "BaseLayout", "deepLinking": true, "url": "/api/staff/openapi.json"}',
        },
    )
    return staff_member_required(view) if settings.ENV.is_production else view


urlpatterns = [
    path("api/staff/", include(router.urls)),
    path("api/staff/openapi.json", OpenApiDocument.as_view(), name="staff-openapi"),
    path("api/staff/docs", _documentation()),
    re_path(r"^api/staff(/.*)?$", Nothing.as_view()),
]
