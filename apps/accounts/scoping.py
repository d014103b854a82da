"""Access in the admin, as `permissions.py` has it: each person sees the rows of their courses.

This needs no permission rows of Django's. Rows of other courses do not exist for a person: lists, addresses, choices
and actions leave them out.
"""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.accounts import permissions
from apps.accounts.course_pages import course_of, enter, lists_course, page_of
from apps.accounts.models import Course, Membership, User
from apps.accounts.permissions import Position, Verb
from apps.common.admin import ChoiceFilter, Pages, is_operator
from apps.common.searching import words
from apps.common.translation import lazy as _


def courses_where(request: HttpRequest, verb: Verb, thing: str) -> frozenset[int]:
    """Courses in which this person may do this to the rows of a model. Says nothing of operators: ask `is_operator`."""
    held, _ = _positions(request)
    may = permissions.positions(verb, thing)
    return frozenset().union(*(courses for position, courses in held.items() if position in may))


def may(request: HttpRequest, verb: Verb, thing: str, course_id: int | None) -> bool:
    """Whether this person may do this to a row of this course. None if it belongs to no course."""
    if is_operator(request):
        return permissions.allows(Position.OPERATOR, verb, thing)
    return course_id in courses_where(request, verb, thing)


def seen_courses(request: HttpRequest) -> frozenset[int]:
    """Courses that this person may see."""
    return courses_where(request, Verb.SEE, "Course")


def administered(request: HttpRequest) -> frozenset[int]:
    """The departments of which this person is an admin."""
    return _positions(request)[1]


def _positions(request: HttpRequest) -> tuple[dict[Position, frozenset[int]], frozenset[int]]:
    """Read once for a page."""
    kept: tuple[dict[Position, frozenset[int]], frozenset[int]] | None = request.__dict__.get("_stoa_positions")
    if kept is None:
        kept = request.user.positions() if isinstance(request.user, User) else ({}, frozenset())
        request.__dict__["_stoa_positions"] = kept
    return kept


class CourseScoping:
    """Permissions for rows of a course, on pages and inlines. `course_path` is the lookup from row to course."""

    model: Any
    course_path: ClassVar[str] = "course"

    def course_id(self, row: Any) -> int | None:
        """None if the row belongs to no course; then only operators reach it."""
        if isinstance(row, Course):
            return int(row.pk)
        for name in self.course_path.split("__"):
            row = getattr(row, f"{name}_id") if name == "course" else getattr(row, name)
        return None if row is None else int(row)

    def may(self, request: HttpRequest, verb: Verb, obj: Any = None) -> bool:
        """Whether this person may do this to a row, or to any row at all."""
        thing = self.model.__name__
        if obj is not None or is_operator(request):
            return may(request, verb, thing, None if obj is None else self.course_id(obj))
        return bool(courses_where(request, verb, thing))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Verb.SEE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, Verb.SEE, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, Verb.ADD, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Without a row, this opens the actions of a list, also where nobody edits a row."""
        return self.may(request, Verb.CHANGE if obj is not None else Verb.CHANGE | Verb.ACT, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, Verb.DELETE, obj)


class CourseScoped(CourseScoping, Pages):
    """Base of the pages for rows that belong to a course. `course_columns` tell the courses of a list apart."""

    course_columns: ClassVar[frozenset[str]] = frozenset({"course", "place"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).for_staff(request.user)
        return self.of_course(request, rows)

    def of_course(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """On the list of a course, its rows."""
        return rows.filter(**{self.course_path: course_of(request)}) if lists_course(request) else rows

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return [name for name in shown if name not in self.course_columns] if lists_course(request) else shown

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The page of a course's row is one of the course's pages."""
        row = super().get_object(request, object_id, from_field)
        self._enter(request, row)
        return row

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        self._enter(request, obj)
        return self._back(request) or super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._back(request) or super().response_post_save_change(request, obj)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Says that the row is gone, and leads back."""
        response: HttpResponse = super().response_delete(request, obj_display, obj_id)
        return response if self.model is Course else self._back(request) or response

    def _back(self, request: HttpRequest) -> HttpResponse | None:
        """To the course's page, from which a form was opened; None if the row belongs to no course."""
        page = page_of(request, self.model)
        return HttpResponseRedirect(page) if page else None

    def _enter(self, request: HttpRequest, row: Any) -> None:
        if (course := self.course_id(row)) is not None:
            enter(request, row if isinstance(row, Course) else Course.objects.get(pk=course))

    def changeable(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows to which this person may do what buttons and actions do. Actions touch no others."""
        courses = Course.objects.open_to(request.user, Verb.ACT, self.model.__name__)
        return rows if is_operator(request) else rows.filter(**{f"{self.course_path}__in": courses})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # A row stays in the course in which it was created.
        fixed = (self.course_path.split("__")[0],) if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        related = db_field.remote_field.model
        courses = Course.objects.open_to(request.user, Verb.ADD, self.model.__name__)
        if related is Course:
            options["queryset"] = courses
        elif related is Membership:
            options["label"] = "Student"
            options["queryset"] = Membership.objects.filter(course__in=courses).select_related("user", "course")
        return super().formfield_for_foreignkey(db_field, request, **options)


class SearchedByMember(CourseScoped):
    """Pages whose rows are found by their member, as far as the member is shown, and by `search_fields`."""

    member_path: ClassVar[str] = "membership"

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        for word in words(search_term):
            members = Membership.objects.for_staff(request.user).matching(word)
            own, _ = super().found(request, queryset, word)
            queryset = queryset.filter(
                Q(**{f"{self.member_path}__in": members}) | Q(pk__in=own.order_by().values("pk"))
            )
        return queryset, False


class CourseFilter(ChoiceFilter):
    """Filters by course, among those that this person may see."""

    title = _("course")
    parameter_name = "course"
    path: ClassVar[str] = "course"

    def options(self, request: HttpRequest) -> list[tuple[int, str]]:
        return [(course.pk, str(course)) for course in Course.objects.for_staff(request.user)]

    def has_output(self) -> bool:
        return not lists_course(self.request)

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return queryset.filter(**{f"{self.path}_id": int(value)})


class MemberCourseFilter(CourseFilter):
    path = "membership__course"
