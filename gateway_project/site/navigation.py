"""The admin's sidebar: the pages of a course, or those that are about several courses."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from apps.accounts.course_pages import course_of
from apps.accounts.models import AuditEntry, Course, Membership
from apps.common.translation import lazy as _
from apps.conversations.models import Appeal, Call, DeadLetter, Thread
from apps.quotas.models import AllowanceRequest, Institution, WeeklyUsage
from apps.rules.models import Rule

MOST_COURSES = 12  # in the switcher; the list of courses has them all
# What a course consists of, and under which addresses the pages of its rows are.
PAGES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (_("Today"), "today", "course_today", ()),
    (
        _("Students"),
        "group",
        "course_students",
        ("accounts/membership/", "accounts/apikey/", "quotas/quotapolicy/student/"),
    ),
    (_("Rules"), "gavel", "course_rules", ("rules/", "conversations/call/rules/")),
    (_("Conversations"), "forum", "course_conversations", ("conversations/",)),
    (_("Allowance"), "speed", "course_allowance", ("quotas/",)),
    (_("Settings"), "tune", "course_settings", ("accounts/course/",)),
)
# What is about several courses, or about none.
GROUPS: tuple[tuple[str, tuple[tuple[str, str, Any], ...]], ...] = (
    (
        _("All courses"),
        (
            (_("Courses"), "school", Course),
            (_("Students"), "group", Membership),
            (_("Rules"), "gavel", Rule),
            (_("Conversations"), "forum", Thread),
            (_("Calls"), "receipt_long", Call),
            (_("Appeals"), "balance", Appeal),
            (_("Requests for more"), "front_hand", AllowanceRequest),
        ),
    ),
    (
        _("Providers"),
        (
            (_("Providers"), "cloud", "providers.Provider"),
            (_("Models"), "neurology", "providers.Model"),
            (_("Deployments"), "lan", "providers.Deployment"),
            (_("Provider events"), "ecg_heart", "providers.ProviderEvent"),
        ),
    ),
    (
        _("Services"),
        (
            (_("Services at a glance"), "monitoring", "services.Service/glance"),
            (_("Services"), "hub", "services.Service"),
            (_("Service requests"), "swap_horiz", "services.ServiceRecord"),
        ),
    ),
    (
        _("People"),
        (
            (_("Users"), "manage_accounts", "accounts.User"),
            (_("Departments"), "corporate_fare", "accounts.Department"),
            (_("Issuers"), "badge", "accounts.Issuer"),
            (_("Grants of groups"), "groups", "accounts.GroupGrant"),
            (_("API keys"), "key", "accounts.ApiKey"),
            (_("Your keys"), "vpn_key", "accounts.StaffKey"),
            (_("Signed-in programs"), "token", "accounts.TokenFamily"),
        ),
    ),
    (
        _("System"),
        (
            (_("Audit log"), "history", AuditEntry),
            (_("Institution"), "account_balance", Institution),
            (_("Weekly usage"), "calendar_month", WeeklyUsage),
            (_("Ledger entries"), "account_balance_wallet", "quotas.LedgerEntry"),
            (_("Holds"), "hourglass_top", "quotas.Hold"),
            (_("Dead letters"), "mail_off", DeadLetter),
            (_("Jobs"), "pending_actions", "common.Job"),
            (_("Notification channels"), "notifications", "operations.NotificationChannel"),
            (_("Notifications"), "outgoing_mail", "operations.NotificationDelivery"),
            (_("Live settings"), "tune", "operations.LiveSettings"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The pages of the course that one is in; elsewhere, those about all courses that this person may see."""
    course = course_of(request)
    if course is not None:
        return [{"title": "", "items": _course_items(request, course)}]
    groups = [{"title": title, "items": _items(request, rows)} for title, rows in GROUPS]
    overview = {"title": gettext("Overview"), "icon": "dashboard", "link": reverse("admin:index")}
    return [{"title": "", "items": [overview]}, *(group for group in groups if group["items"])]


def _course_items(request: HttpRequest, course: Course) -> list[dict[str, Any]]:
    """The longest beginning of an address says to which of the six a page belongs."""
    root = reverse("admin:index")
    links = {title: reverse(f"admin:{name}", args=[course.slug]) for title, _, name, _ in PAGES}
    begins = [
        (begin, title) for title, _, _, below in PAGES for begin in (links[title], *(root + one for one in below))
    ]
    _, here = max(((len(begin), title) for begin, title in begins if request.path.startswith(begin)), default=(0, ""))
    return [
        {"title": title, "icon": icon, "link": links[title], "active": title == here} for title, icon, _, _ in PAGES
    ]


def switcher(request: HttpRequest) -> dict[str, Any]:
    """The course that one is in, and others to go to: the first ones by title, and whether there are more."""
    others = list(Course.objects.for_staff(request.user).filter(is_open=True).order_by("title")[: MOST_COURSES + 1])
    return {"course": course_of(request), "courses": others[:MOST_COURSES], "has_more": len(others) > MOST_COURSES}


def _items(request: HttpRequest, rows: Any) -> list[dict[str, Any]]:
    pages = {model._meta.label: page for model, page in admin.site._registry.items()}
    named = [(title, icon, *_named(row)) for title, icon, row in rows]
    items = [
        {"title": title, "icon": icon, "link": _address(pages[label], view)}
        for title, icon, label, view in named
        if pages[label].has_module_permission(request)
    ]
    # The longest one counts, since the address of a list begins those of all pages of its rows.
    here = max((item["link"] for item in items if request.path.startswith(item["link"])), key=len, default="")
    return [{**item, "active": item["link"] == here} for item in items]


def _named(row: Any) -> tuple[str, str]:
    """The model's label, and which of its pages is meant: its list, unless one is named behind a slash."""
    label, _, view = (row if isinstance(row, str) else row._meta.label).partition("/")
    return label, view or "changelist"


def shows_history(request: HttpRequest) -> bool:
    """The history of a row is its part of the audit log."""
    return admin.site._registry[AuditEntry].has_module_permission(request)


def _address(page: Any, view: str) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{view}")
