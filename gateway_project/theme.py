"""The settings of the admin's theme."""

from django.templatetags.static import static
from django.urls import reverse_lazy

UNFOLD = {
    "SITE_TITLE": "Stoa",
    "SITE_HEADER": "Stoa",
    "SITE_SYMBOL": "account_balance",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("stoa/icon.svg")}],
    "STYLES": [lambda request: static("stoa/theme.css"), lambda request: static("stoa/admin.css")],
    "SCRIPTS": [lambda request: static("stoa/htmx.js")],
    "DASHBOARD_CALLBACK": "gateway_project.site.pages.dashboard",
    "SHOW_HISTORY": "gateway_project.site.pages.shows_history",
    "SHOW_VIEW_ON_SITE": False,
    "ACCOUNT": {
        "navigation": [
            {"title": "Second factor", "link": reverse_lazy("mfa_index")},
            {"title": "Sessions", "link": reverse_lazy("usersessions_list")},
            {"title": "Change password", "link": reverse_lazy("account_change_password")},
        ]
    },
    "SIDEBAR": {"navigation": "gateway_project.site.pages.navigation"},
}
