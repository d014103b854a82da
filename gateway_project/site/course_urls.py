"""The addresses of a course: `/admin/c/<course>/` and what is below it."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.accounts.course_pages import list_page
from apps.conversations.models import Thread
from apps.quotas.admin.grants import undo_page
from apps.rules.models import Rule
from gateway_project.site import closing, today
from gateway_project.site.courses import allowance_page, settings_page, students_page
from gateway_project.site.deciding import decide


def course_urls() -> list[URLPattern]:
    pages = {
        "": (today.page, "today"),
        "students/": (students_page, "students"),
        "rules/": (list_page(Rule), "rules"),
        "conversations/": (list_page(Thread), "conversations"),
        "allowance/": (allowance_page, "allowance"),
        "allowance/undo/": (undo_page, "undo"),
        "settings/": (settings_page, "settings"),
        "settings/close/": (closing.close_page, "close"),
        "settings/open/": (closing.open_course, "open"),
    }
    wrap = admin.site.admin_view
    return [
        path("requests/<int:pk>/", wrap(decide), name="course_decide"),
        *(path(address, wrap(view), name=f"course_{name}") for address, (view, name) in pages.items()),
    ]
