"""The admin page of departments and their admins, for operators."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.admin import TabularInline

from apps.accounts import permissions
from apps.accounts.models import Department, DepartmentAdmin
from apps.accounts.permissions import Position, Verb
from apps.accounts.scoping import CourseScoped, administered
from apps.accounts.sign_in.step_up import StepUp
from apps.common.admin import OperatorOnly, Pages, is_operator
from apps.common.translation import lazy as _

SHORT_NAME = _("Short name in the address")


class DepartmentForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        labels: ClassVar = {"slug": SHORT_NAME}


class DepartmentAdminForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean_user(self) -> Any:
        user = self.cleaned_data["user"]
        if not user.is_staff:
            raise forms.ValidationError(
                gettext("This person cannot open the admin. Tick “Staff status” on their page first.")
            )
        return user


class AdminsOfDepartment(OperatorOnly, TabularInline):
    model = DepartmentAdmin
    form = DepartmentAdminForm
    verbose_name_plural = _("admins")
    fields = ("user",)
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Department)
class DepartmentPage(OperatorOnly, StepUp, Pages):
    empty_text = _("A department groups courses. Its admins see and change all of them, as their instructors do.")
    list_display = ("title", "short_name", "course_count", "admin_count")
    search_fields = ("title", "slug")
    search_help_text = _("Title or short name")
    prepopulated_fields = {"slug": ("title",)}
    fields = ("title", "slug")
    inlines = (AdminsOfDepartment,)
    form = DepartmentForm

    def get_queryset(self, request: HttpRequest) -> Any:
        totals = {"course_total": Count("courses", distinct=True), "admin_total": Count("admins", distinct=True)}
        return super().get_queryset(request).annotate(**totals)

    @admin.display(description=_("short name"), ordering="slug")
    def short_name(self, department: Department) -> str:
        return department.slug

    @admin.display(description=_("courses"), ordering="course_total")
    def course_count(self, department: Any) -> int:
        return int(department.course_total)

    @admin.display(description=_("admins"), ordering="admin_total")
    def admin_count(self, department: Any) -> int:
        return int(department.admin_total)


class AddedByDepartments(CourseScoped):
    """The base of the page of courses: an admin of a department adds courses to it, also the first."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self._administers(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or (obj is None and self._administers(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request) or self._administers(request)

    def _administers(self, request: HttpRequest) -> bool:
        may_add = permissions.allows(Position.DEPARTMENT_ADMIN, Verb.ADD, "Course")
        return may_add and bool(administered(request))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Only operators leave the department empty."""
        if db_field.name == "department" and not is_operator(request):
            options["queryset"] = Department.objects.filter(pk__in=administered(request))
        field = super().formfield_for_foreignkey(db_field, request, **options)
        if db_field.name == "department":
            field.required = not is_operator(request)
        return field
