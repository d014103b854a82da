"""The addresses of a course: `/admin/c/<course>/` and what is below it."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.accounts.admin import rosters
from apps.accounts.course_pages import list_page
from apps.conversations.models import Thread
from apps.quotas.admin.grants import undo_page
from apps.rules.models import Rule
from gateway_project.site import allowance, closing, student, students, today
from gateway_project.site.courses import settings_page
from gateway_project.site.deciding import decide


def course_urls() -> list[URLPattern]:
    pages = {
        "": (today.page, "today"),
        "students/": (students.page, "students"),
        "students/export/": (students.export, "students_export"),
        "students/file/": (rosters.upload_page, "roster_upload"),
        "students/file/<int:pk>/": (rosters.roster_page, "roster"),
        "students/<int:member_id>/": (student.page, "student"),
        "students/<int:member_id>/export/": (student.export, "student_export"),
        "rules/": (list_page(Rule), "rules"),
        "conversations/": (list_page(Thread), "conversations"),
        "allowance/": (allowance.page, "allowance"),
        "allowance/undo/": (undo_page, "undo"),
        "allowance/<slug:part>/": (allowance.change, "allowance_change"),
        "allowance/<slug:part>/<int:pk>/end/": (allowance.end, "allowance_end"),
        "settings/": (settings_page, "settings"),
        "settings/close/": (closing.close_page, "close"),
        "settings/open/": (closing.open_course, "open"),
    }
    wrap = admin.site.admin_view
    return [
        path("requests/<int:pk>/", wrap(decide), name="course_decide"),
        *(path(address, wrap(view), name=f"course_{name}") for address, (view, name) in pages.items()),
    ]
