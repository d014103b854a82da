"""The admin page of users, for operators."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.admin.campus import CampusAccounts
from apps.accounts.audit import record
from apps.accounts.models import Membership, User
from apps.accounts.sign_in import second_factor, sessions
from apps.accounts.sign_in.step_up import StepUp, after_step_up, step_up
from apps.accounts.tokens import upkeep
from apps.common.admin import OperatorOnly
from apps.common.display import NOTHING, badge, moment
from apps.common.translation import lazy as _

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
class UserAdmin(OperatorOnly, StepUp, StockUserAdmin, CampusAccounts):  # type: ignore[type-arg, misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    empty_text = _("Add yourself a colleague: give a user name and a password, then tick “Staff status”.")
    list_display = ("username", "email", "full_name", "is_staff", "is_superuser", "is_active", "last_login")
    list_filter = (
        ("is_staff", BooleanRadioFilter),
        ("is_superuser", BooleanRadioFilter),
        ("is_active", BooleanRadioFilter),
    )
    search_fields = ("username", "email", "campus_id", "first_name", "last_name", "memberships__external_id")
    search_help_text = _("Name, e-mail, campus ID or student number")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined", "factors", "open_sessions", "campus_accounts", "given_by_groups")
    actions = ("sign_out", "remove_second_factors", "unlink")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email", "campus_id", "timezone")}),
        (
            _("Access"),
            {
                "fields": (
                    "is_active",
                    "is_staff",
                    "is_superuser",
                    "given_by_groups",
                    "campus_accounts",
                    "factors",
                    "open_sessions",
                    "last_login",
                    "date_joined",
                ),
                "description": _(
                    "Staff may sign in here and see the courses in which they are instructor or assistant. "
                    "Superusers are operators: they see and change everything."
                ),
            },
        ),
    )
    inlines = (MembershipsOfUser,)

    user_change_password = after_step_up(StockUserAdmin.user_change_password)

    @admin.display(description=_("name"))
    def full_name(self, user: User) -> str:
        return user.get_full_name() or NOTHING

    @admin.display(description=_("second factor"))
    def factors(self, user: User) -> Any:
        kinds = Authenticator.objects.filter(user=user).values_list("type", flat=True)
        names = sorted({str(second_factor.Kinds(kind).label) for kind in kinds})
        return ", ".join(names) or badge(gettext("none"), "warning" if second_factor.is_required(user) else "")

    @admin.display(description=_("sessions"))
    def open_sessions(self, user: User) -> Any:
        rows = (
            UserSession.objects.filter(user=user)
            .order_by("-created_at")
            .values_list("created_at", "ip", "user_agent")[:20]
        )
        lines = ((moment(began), address, agent[:120]) for began, address, agent in rows)
        return format_html_join(mark_safe("<br>"), "{} · {} · {}", lines) or NOTHING

    @admin.action(description=_("Sign out everywhere"))
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        ended = families = 0
        for user in queryset:
            ended += sessions.end_all(user, but=request.session.session_key)
            families += upkeep.sign_out(user, now=timezone.now())
            record("session.revoked", subject=user)
        self.message_user(
            request,
            gettext("{ended} sessions and {families} sign-ins of programs ended. API keys stay valid.").format(
                ended=ended, families=families
            ),
        )

    @admin.action(description=_("Remove their second factors (lost device)"))
    def remove_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        if refusal := step_up(request):
            return refusal
        for user in queryset:
            Authenticator.objects.filter(user=user).delete()
            record("second_factor.removed", subject=user, note="by an operator")
            sessions.end_all(user, but=request.session.session_key)
            upkeep.sign_out(user, now=timezone.now())
        self.message_user(
            request, gettext("Removed. They set up new ones at their next sign-in. Be sure that it was them who asked.")
        )
        return None

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None else ()
