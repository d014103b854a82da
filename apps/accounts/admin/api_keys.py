"""Admin pages of API keys, for the staff of a course."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.accounts.admin.key_forms import ApiKeyForm, in_words
from apps.accounts.models import ApiKey, StaffKey
from apps.accounts.scoping import MemberCourseFilter, SearchedByMember
from apps.common.admin import ChoiceFilter, Pages
from apps.common.display import NOTHING, badge, moment, when

SCOPES = (
    "Only for",
    {
        "fields": ("allowed_models", "allowed_surfaces", "allowed_services", "assignment", "reads_only"),
        "description": "Narrows the key. Changes hold within two seconds.",
    },
)


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
class ApiKeyAdmin(SearchedByMember):
    course_path = "membership__course"
    empty_text = "Issue a key: choose a member, save, and copy the key. It is shown only once."
    form = ApiKeyForm
    list_display = ("shown", "member", "course", "name", "narrowed", "state", "created", "issuer", "used", "expires")
    list_filter = (MemberCourseFilter, KeyState)
    list_select_related = ("membership__user", "membership__course", "issued_by")
    search_fields = ("=last_four", "name")
    search_help_text = "Last four characters, name, external ID or e-mail"
    autocomplete_fields = ("membership",)
    actions = ("revoke",)
    add_fieldsets = ((None, {"fields": ("membership", "name", "expires_at")}), SCOPES)
    fieldsets = (
        (None, {"fields": ("shown", "membership", "name", "expires_at", "state", "created", "issuer", "used")}),
        SCOPES,
    )
    readonly_fields = ("shown", "state", "created", "issuer", "used")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return super().get_readonly_fields(request, obj) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        row, text = ApiKey.issue(membership=obj.membership, name=obj.name, expires_at=obj.expires_at, scopes=obj.scopes)
        obj.__dict__.update(row.__dict__)
        request.__dict__["_stoa_issued"] = text

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return issued_page(self, request, [(obj, request.__dict__.pop("_stoa_issued"))])

    @admin.display(description="key", ordering="last_four")
    def shown(self, key: ApiKey) -> str:
        return key.shown

    @admin.display(description="member", ordering="membership__external_id")
    def member(self, key: ApiKey) -> str:
        return f"{key.membership.external_id} · {key.membership.person}"

    @admin.display(description="course", ordering="membership__course")
    def course(self, key: ApiKey) -> str:
        return str(key.membership.course)

    @admin.display(description="only for")
    def narrowed(self, key: ApiKey) -> str:
        return "; ".join(in_words(key.scopes)) or NOTHING

    @admin.display(description="created", ordering="created_at")
    def created(self, key: ApiKey) -> str:
        return when(key.created_at)

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return when(key.expires_at) if key.expires_at else "never"

    @admin.display(description="issued by")
    def issuer(self, key: ApiKey) -> str:
        return str(key.issued_by) if key.issued_by else NOTHING

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return when(key.last_used_at)

    @admin.display(description="state", ordering="revoked_at")
    def state(self, key: ApiKey) -> SafeString:
        return key_state(key, now=timezone.now())

    @admin.action(description="Revoke selected keys", permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        keys = ApiKey.objects.filter(pk__in=self.changeable(request, queryset).values("pk"))
        count = keys.revoke(now=timezone.now())
        self.message_user(request, f"{count} revoked. They are refused within two seconds.")


def key_state(key: ApiKey | StaffKey, *, now: datetime) -> SafeString:
    if key.revoked_at is not None:
        return badge("revoked", "bad", moment(key.revoked_at))
    if not key.is_valid(now=now):
        return badge("expired", "warning", moment(key.expires_at))
    return badge("valid", "good")


def issued_page(
    page: Pages, request: HttpRequest, issued: Sequence[tuple[ApiKey | StaffKey, str]], *, base: str = "/v1"
) -> HttpResponse:
    """Show new keys in full, once. They must not go into messages, the session or a log, which are stored."""
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": "New API key" if len(issued) == 1 else f"{len(issued)} new API keys",
        "issued": [{"key": text, "member": getattr(key, "membership", None)} for key, text in issued],
        "base_url": request.build_absolute_uri(base),
    }
    return TemplateResponse(request, "admin/accounts/apikey/issued.html", context)
