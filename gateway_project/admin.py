"""The admin site as a whole: its sidebar, and pages that join what several apps know."""

from typing import Any

from django.http import HttpRequest


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return []
