"""Admin pages of members, for the staff of a course."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Case, Count, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from apps.accounts.admin import handing_out, leaving
from apps.accounts.admin.confirming import page_of_student
from apps.accounts.models import Membership, Role
from apps.accounts.scoping import CourseFilter, CourseScoped
from apps.accounts.sign_in.step_up import step_up
from apps.common.display import NOTHING, badge
from apps.common.translation import lazy as _

# Sorting tells as much as showing: what is not shown does not sort.
SHOWN_NAME = Case(When(shown_email="", then="user__last_name"), default="shown_name")
SHOWN_EMAIL = Case(When(shown_email="", then="user__email"), default="shown_email")


class NewMemberForm(forms.ModelForm):  # type: ignore[type-arg]
    """Identifies a person by e-mail address, so an instructor needs no list of all people."""

    email = forms.EmailField(
        label=_("E-mail"),
        required=False,
        widget=UnfoldAdminEmailInputWidget,
        help_text=_("If somebody with this address is known already, that person joins the course."),
    )
    first_name = forms.CharField(required=False, max_length=150, widget=UnfoldAdminTextInputWidget)
    last_name = forms.CharField(required=False, max_length=150, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Membership
        fields = ("course", "external_id", "role")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        email, course = cleaned.get("email"), cleaned.get("course")
        if email and cleaned.get("role") == Role.SERVICE:
            self.add_error("email", gettext("A service account is a program, not a person. Leave the address empty."))
        same = Q(user__email__iexact=email) | Q(shown_email__iexact=email)
        if email and course and course.memberships.filter(same).exists():
            self.add_error("email", gettext("This person is in the course already. Search the list for the address."))
        return cleaned


@admin.register(Membership)
class MembershipAdmin(CourseScoped):
    empty_text = _("Open a course, then Students: add them there and hand out their keys.")
    # Whose number is low was known before somebody typed their address.
    unsearchable = CourseScoped.unsearchable | {"user", "user_id"}
    list_display = ("external_id", "person", "email", "course", "role", "is_active", "valid_keys")
    list_filter = (
        CourseFilter,
        ("role", ChoicesDropdownFilter),
        ("is_active", BooleanRadioFilter),
    )
    list_select_related = ("user", "course")
    search_fields = ("external_id",)
    search_help_text = _("Student number, name or e-mail")
    autocomplete_fields = ("course",)
    actions = ("issue_keys", "activate", "deactivate")
    add_fieldsets = ((None, {"fields": ("course", "external_id", "email", "first_name", "last_name", "role")}),)
    fields = ("course", "person", "email", "external_id", "role", "is_active", "keys")
    readonly_fields = ("person", "email", "keys")

    def get_urls(self) -> list[URLPattern]:
        return [*handing_out.urls(), *leaving.urls(), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> Any:
        """Nobody deletes many at once: whoever has asked something is deactivated instead."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        member = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, member) or not leaving.has_done_something(member):
            return super().delete_view(request, object_id, extra_context)
        self.message_user(request, leaving.INSTEAD.format(member.person), messages.WARNING)
        return HttpResponseRedirect(page_of_student(member))

    def response_change(self, request: HttpRequest, obj: Membership) -> HttpResponse:
        self.message_user(
            request,
            gettext("Saved. {person} is {role} of {course}.").format(
                person=obj.person, role=obj.get_role_display().lower(), course=obj.course
            ),
        )
        return HttpResponseRedirect(page_of_student(obj))

    def get_queryset(self, request: HttpRequest) -> Any:
        now = timezone.now()
        valid = Q(api_keys__revoked_at=None) & (Q(api_keys__expires_at=None) | Q(api_keys__expires_at__gt=now))
        return super().get_queryset(request).annotate(key_count=Count("api_keys", filter=valid))

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        return queryset.matching(search_term), False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj is None:
            options["form"] = NewMemberForm
        return super().get_form(request, obj, change=change, **options)

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        makes_staff = request.method == "POST" and request.POST.get("role") in Role.staff()
        return (makes_staff and step_up(request)) or super().changeform_view(request, *args, **options)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return super().get_readonly_fields(request, obj) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        names = ("course", "external_id", "role", "email", "first_name", "last_name")
        enrolled = Membership.enrol(**{name: form.cleaned_data[name] for name in names}, by=request.user)
        obj.__dict__.update(enrolled.__dict__)

    @admin.display(description=_("name"), ordering=SHOWN_NAME)
    def person(self, member: Membership) -> str:
        return member.name or NOTHING

    @admin.display(description=_("e-mail"), ordering=SHOWN_EMAIL)
    def email(self, member: Membership) -> str:
        return member.email or NOTHING

    @admin.display(description=_("valid keys"), ordering="key_count")
    def valid_keys(self, member: Any) -> Any:
        return member.key_count or badge(gettext("none"), "warning", gettext("This student cannot ask anything yet"))

    @admin.display(description=_("API keys"))
    def keys(self, member: Membership) -> SafeString:
        listed, new = reverse("admin:accounts_apikey_changelist"), reverse("admin:accounts_apikey_add")
        return format_html(
            '<a class="stoa-link" href="{}?membership__id__exact={}">{}</a> · '
            '<a class="stoa-link" href="{}?membership={}">{}</a>',
            listed,
            member.pk,
            gettext("{count} valid").format(count=getattr(member, "key_count", 0)),
            new,
            member.pk,
            gettext("Issue a key"),
        )

    @admin.action(description=_("Hand out keys"), permissions=("change",))
    def issue_keys(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Asks first; the page after that issues them."""
        members = list(self.changeable(request, queryset).filter(is_active=True).select_related("user", "course"))
        if len({member.course_id for member in members}) != 1:
            self.message_user(
                request, gettext("Choose active students of one course; no key was issued."), messages.WARNING
            )
            return None
        return handing_out.ask(request, members[0].course, members)

    @admin.action(description=_("Activate"), permissions=("change",))
    def activate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = self.changeable(request, queryset).filter(is_active=False).update(is_active=True)
        self.message_user(request, gettext("{count} activated.").format(count=count))

    @admin.action(description=_("Deactivate: their keys are refused"), permissions=("change",))
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = self.changeable(request, queryset).filter(is_active=True).update(is_active=False)
        self.message_user(
            request, gettext("{count} deactivated. Their keys stop working within two seconds.").format(count=count)
        )
