"""Access in the admin: operators see everything, course staff see the rows of their courses.

This needs no permission rows. Rows of other courses do not exist for a person: lists, addresses, choices and actions
leave them out.
"""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.models import Course, Membership
from apps.common.admin import ChoiceFilter, Pages, is_operator


def seen_courses(request: HttpRequest) -> frozenset[int]:
    """Courses whose rows this person may read."""
    return _course_ids(request, "seen", Course.objects.for_staff)


def changed_courses(request: HttpRequest) -> frozenset[int]:
    """Courses whose rows this person may change."""
    return _course_ids(request, "changed", Course.objects.for_instructor)


def _course_ids(request: HttpRequest, name: str, queryset: Any) -> frozenset[int]:
    kept: dict[str, frozenset[int]] = request.__dict__.setdefault("_stoa_courses", {})
    if name not in kept:
        kept[name] = frozenset(queryset(request.user).values_list("pk", flat=True))
    return kept[name]


class CourseScoping:
    """Permissions for rows of a course, on pages and inlines. `course_path` is the lookup from row to course."""

    course_path: ClassVar[str] = "course"

    def course_id(self, row: Any) -> int | None:
        """None if the row belongs to no course; then only operators reach it."""
        if isinstance(row, Course):
            return int(row.pk)
        for name in self.course_path.split("__"):
            row = getattr(row, f"{name}_id") if name == "course" else getattr(row, name)
        return None if row is None else int(row)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request) or bool(seen_courses(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._reaches(request, obj, seen_courses)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._reaches(request, obj, changed_courses)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._reaches(request, obj, changed_courses)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._reaches(request, obj, changed_courses)

    def _reaches(self, request: HttpRequest, obj: Any, courses: Any) -> bool:
        if is_operator(request):
            return True
        return self.course_id(obj) in courses(request) if obj is not None else bool(courses(request))


class CourseScoped(CourseScoping, Pages):
    """Base of the pages for rows that belong to a course."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).for_staff(request.user)
        return rows

    def changeable(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows that this person may change. Actions touch no others."""
        return rows if is_operator(request) else rows.filter(**{f"{self.course_path}__in": changed_courses(request)})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # A row stays in the course in which it was created.
        fixed = (self.course_path.split("__")[0],) if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        related = db_field.remote_field.model
        if related is Course:
            options["queryset"] = Course.objects.for_instructor(request.user)
        elif related is Membership:
            courses = Course.objects.for_instructor(request.user)
            options["queryset"] = Membership.objects.filter(course__in=courses).select_related("user", "course")
        return super().formfield_for_foreignkey(db_field, request, **options)


class CourseFilter(ChoiceFilter):
    """Filters by course, among those that this person may see."""

    title = "course"
    parameter_name = "course"
    path: ClassVar[str] = "course"

    def options(self, request: HttpRequest) -> list[tuple[int, str]]:
        return [(course.pk, str(course)) for course in Course.objects.for_staff(request.user)]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(**{f"{self.path}_id": int(value)})


class MemberCourseFilter(CourseFilter):
    path = "membership__course"
