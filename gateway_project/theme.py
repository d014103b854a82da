"""The settings of the admin's theme."""

from collections.abc import Callable
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

from apps.common.translation import lazy as _

# In this order, so that a later file may refine an earlier one.
STYLES = (
    "theme",
    "lists",
    "admin",
    "course",
    "evidence",
    "home-pages",
    "reading",
    "purpose",
    "provider",
    "students",
    "shell",
    "allowance",
)
SCRIPTS = ("htmx", "filters", "names")


def _style(name: str) -> Callable[[Any], str]:
    return lambda request: static(f"stoa/{name}.css")


def _script(name: str) -> Callable[[Any], str]:
    return lambda request: static(f"stoa/{name}.js")


UNFOLD = {
    "SITE_TITLE": "Stoa",
    "SITE_HEADER": "Stoa",
    "SITE_SYMBOL": "account_balance",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("stoa/icon.svg")}],
    "STYLES": [_style(name) for name in STYLES],
    "SCRIPTS": [_script(name) for name in SCRIPTS],
    "DASHBOARD_CALLBACK": "gateway_project.site.home.dashboard",
    "SHOW_HISTORY": "gateway_project.site.navigation.shows_history",
    "SHOW_VIEW_ON_SITE": False,
    "ACCOUNT": {
        "navigation": [
            {"title": _("Preferences"), "link": reverse_lazy("admin:preferences")},
            {"title": _("Second factor"), "link": reverse_lazy("mfa_index")},
            {"title": _("Sessions"), "link": reverse_lazy("usersessions_list")},
            {"title": _("Change password"), "link": reverse_lazy("account_change_password")},
        ]
    },
    "SIDEBAR": {"navigation": "gateway_project.site.navigation.navigation"},
}
