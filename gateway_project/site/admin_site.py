"""The admin site."""

from typing import Any

from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class StoaAdminSite(UnfoldAdminSite):
    """Unfold's site without the inline styles of each page: they are in `static/stoa/theme.css`."""

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = super().each_context(request)
        return {**context, "colors": {}}
