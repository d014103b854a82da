"""Admin pages of people: users for operators; members and API keys for the staff of a course."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from apps.accounts.jobs_admin import JobAdmin
from apps.accounts.models import ApiKey, Membership, User
from apps.accounts.scoping import CourseFilter, CourseScoped, MemberCourseFilter
from apps.common.admin import ChoiceFilter, OperatorOnly, Pages
from apps.common.display import NOTHING, badge, moment
from apps.common.models import Job

MOST_KEYS_AT_ONCE = 500

# Rights come from the operator flag and from memberships, so groups would only duplicate them.
admin.site.unregister(Group)


class MembershipsOfUser(OperatorOnly, TabularInline):
    model = Membership
    fields = ("course", "external_id", "role", "is_active")
    autocomplete_fields = ("course",)
    extra = 0
    tab = True
    hide_title = True


@admin.register(User)
class UserAdmin(OperatorOnly, StockUserAdmin, Pages):  # type: ignore[type-arg, misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    empty_text = "Add yourself a colleague: give a user name and a password, then tick “Staff status”."
    list_display = ("username", "email", "full_name", "is_staff", "is_superuser", "is_active", "last_login")
    list_filter = (
        ("is_staff", BooleanRadioFilter),
        ("is_superuser", BooleanRadioFilter),
        ("is_active", BooleanRadioFilter),
    )
    search_fields = ("username", "email", "first_name", "last_name", "memberships__external_id")
    search_help_text = "Name, e-mail or external ID"
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Access",
            {
                "fields": ("is_active", "is_staff", "is_superuser", "last_login", "date_joined"),
                "description": "Staff may sign in here and see the courses in which they are instructor or assistant. "
                "Superusers are operators: they see and change everything.",
            },
        ),
    )
    inlines = (MembershipsOfUser,)

    @admin.display(description="name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or NOTHING

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None else ()


class NewMemberForm(forms.ModelForm):  # type: ignore[type-arg]
    """Identifies a person by e-mail address, so an instructor needs no list of all people."""

    email = forms.EmailField(
        label="E-mail",
        required=False,
        widget=UnfoldAdminEmailInputWidget,
        help_text="Whoever has this address already becomes the member; otherwise a new person is made.",
    )
    first_name = forms.CharField(required=False, max_length=150, widget=UnfoldAdminTextInputWidget)
    last_name = forms.CharField(required=False, max_length=150, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Membership
        fields = ("course", "external_id", "role")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        email, course = cleaned.get("email"), cleaned.get("course")
        if email and course and course.memberships.filter(user__email__iexact=email).exists():
            self.add_error("email", "This person is already a member of the course. Search the list for the address.")
        return cleaned


@admin.register(Membership)
class MembershipAdmin(CourseScoped):
    empty_text = "Add the students of your course here, then issue each of them an API key."
    list_display = ("external_id", "person", "email", "course", "role", "is_active", "valid_keys")
    list_filter = (
        CourseFilter,
        ("role", ChoicesDropdownFilter),
        ("is_active", BooleanRadioFilter),
    )
    list_select_related = ("user", "course")
    search_fields = ("external_id", "user__email", "user__first_name", "user__last_name", "user__username")
    search_help_text = "External ID, name or e-mail"
    autocomplete_fields = ("course",)
    actions = ("issue_keys", "activate", "deactivate")
    add_fieldsets = ((None, {"fields": ("course", "external_id", "email", "first_name", "last_name", "role")}),)
    fields = ("course", "person", "email", "external_id", "role", "is_active", "keys")
    readonly_fields = ("person", "email", "keys")

    def get_queryset(self, request: HttpRequest) -> Any:
        now = timezone.now()
        valid = Q(api_keys__revoked_at=None) & (Q(api_keys__expires_at=None) | Q(api_keys__expires_at__gt=now))
        return super().get_queryset(request).annotate(key_count=Count("api_keys", filter=valid))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj is None:
            options["form"] = NewMemberForm
        return super().get_form(request, obj, change=change, **options)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return super().get_readonly_fields(request, obj) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        names = ("course", "external_id", "role", "email", "first_name", "last_name")
        enrolled = Membership.enrol(**{name: form.cleaned_data[name] for name in names})
        obj.__dict__.update(enrolled.__dict__)

    @admin.display(description="name", ordering="user__last_name")
    def person(self, member: Membership) -> str:
        return member.user.get_full_name() or NOTHING

    @admin.display(description="e-mail", ordering="user__email")
    def email(self, member: Membership) -> str:
        return member.user.email or NOTHING

    @admin.display(description="valid keys", ordering="key_count")
    def valid_keys(self, member: Any) -> Any:
        return member.key_count or badge("none", "warning", "This member cannot call the API yet")

    @admin.display(description="API keys")
    def keys(self, member: Membership) -> SafeString:
        listed, new = reverse("admin:accounts_apikey_changelist"), reverse("admin:accounts_apikey_add")
        return format_html(
            '<a class="stoa-link" href="{}?membership__id__exact={}">{} valid</a> · '
            '<a class="stoa-link" href="{}?membership={}">Issue a key</a>',
            listed,
            member.pk,
            getattr(member, "key_count", 0),
            new,
            member.pk,
        )

    @admin.action(description="Issue each selected member a key", permissions=("change",))
    def issue_keys(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        members = list(self.changeable(request, queryset).filter(is_active=True).select_related("user", "course"))
        if not members or len(members) > MOST_KEYS_AT_ONCE:
            self.message_user(
                request, f"Select 1 to {MOST_KEYS_AT_ONCE} active members; no key was issued.", messages.WARNING
            )
            return None
        return issued_page(self, request, [ApiKey.issue(membership=member) for member in members])

    @admin.action(description="Activate", permissions=("change",))
    def activate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = self.changeable(request, queryset).filter(is_active=False).update(is_active=True)
        self.message_user(request, f"{count} activated.")

    @admin.action(description="Deactivate: their keys are refused", permissions=("change",))
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = self.changeable(request, queryset).filter(is_active=True).update(is_active=False)
        self.message_user(request, f"{count} deactivated. Their keys stop working within two seconds.")


class KeyState(ChoiceFilter):
    title = "state"
    parameter_name = "state"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [("valid", "Valid"), ("expired", "Expired"), ("revoked", "Revoked")]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        if value == "revoked":
            return queryset.exclude(revoked_at=None)
        is_expired = Q(expires_at__lte=timezone.now())
        return queryset.filter(is_expired if value == "expired" else ~is_expired, revoked_at=None)


@admin.register(ApiKey)
class ApiKeyAdmin(CourseScoped):
    course_path = "membership__course"
    empty_text = "Issue a key: choose a member, save, and copy the key. It is shown only once."
    list_display = ("shown", "member", "course", "name", "state", "created", "expires")
    list_filter = (MemberCourseFilter, KeyState)
    list_select_related = ("membership__user", "membership__course")
    search_fields = (
        "=last_four",
        "name",
        "membership__external_id",
        "membership__user__email",
        "membership__user__first_name",
        "membership__user__last_name",
    )
    search_help_text = "Last four characters, name, external ID or e-mail"
    autocomplete_fields = ("membership",)
    actions = ("revoke",)
    add_fieldsets = ((None, {"fields": ("membership", "name", "expires_at")}),)
    fields = ("shown", "membership", "name", "expires_at", "state", "created")
    readonly_fields = ("shown", "state", "created")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return super().get_readonly_fields(request, obj) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        row, text = ApiKey.issue(membership=obj.membership, name=obj.name, expires_at=obj.expires_at)
        obj.__dict__.update(row.__dict__)
        request.__dict__["_stoa_issued"] = text

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return issued_page(self, request, [(obj, request.__dict__.pop("_stoa_issued"))])

    @admin.display(description="key", ordering="last_four")
    def shown(self, key: ApiKey) -> str:
        return key.shown

    @admin.display(description="member", ordering="membership__external_id")
    def member(self, key: ApiKey) -> str:
        return f"{key.membership.external_id} · {key.membership.user}"

    @admin.display(description="course", ordering="membership__course")
    def course(self, key: ApiKey) -> str:
        return str(key.membership.course)

    @admin.display(description="created", ordering="created_at")
    def created(self, key: ApiKey) -> str:
        return moment(key.created_at)

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return moment(key.expires_at) if key.expires_at else "never"

    @admin.display(description="state", ordering="revoked_at")
    def state(self, key: ApiKey) -> SafeString:
        return key_state(key, now=timezone.now())

    @admin.action(description="Revoke selected keys", permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        keys = ApiKey.objects.filter(pk__in=self.changeable(request, queryset).values("pk"))
        count = keys.revoke(now=timezone.now())
        self.message_user(request, f"{count} revoked. They are refused within two seconds.")


def key_state(key: ApiKey, *, now: datetime) -> SafeString:
    if key.revoked_at is not None:
        return badge("revoked", "bad", moment(key.revoked_at))
    if not key.is_valid(now=now):
        return badge("expired", "warning", moment(key.expires_at))
    return badge("valid", "good")


def issued_page(page: CourseScoped, request: HttpRequest, issued: list[tuple[ApiKey, str]]) -> HttpResponse:
    """Show new keys in full, once. They must not go into messages, the session or a log, which are stored."""
    context = {
        **page.admin_site.each_context(request),
        "opts": ApiKey._meta,
        "title": "New API key" if len(issued) == 1 else f"{len(issued)} new API keys",
        "issued": [{"key": text, "member": key.membership} for key, text in issued],
        "base_url": request.build_absolute_uri("/v1"),
    }
    return TemplateResponse(request, "admin/accounts/apikey/issued.html", context)


# JobAdmin has a module of its own; it is registered together with these pages.
admin.site.register(Job, JobAdmin)
