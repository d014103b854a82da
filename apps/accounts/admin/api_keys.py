"""Admin pages of API keys, for the staff of a course."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.accounts.admin import key_changes, new_keys
from apps.accounts.admin.key_forms import ApiKeyForm, in_words
from apps.accounts.models import ApiKey, StaffKey
from apps.accounts.new_keys import of_row
from apps.accounts.permissions import Verb
from apps.accounts.scoping import MemberCourseFilter, SearchedByMember
from apps.common.admin import ChoiceFilter
from apps.common.display import NOTHING, badge, moment, when
from apps.common.translation import lazy as _

SCOPES = (
    _("Only for"),
    {
        "fields": ("allowed_models", "allowed_surfaces", "allowed_services", "assignment", "reads_only"),
        "description": _("Narrows the key. Changes hold within two seconds."),
    },
)


class KeyState(ChoiceFilter):
    title = _("state")
    parameter_name = "state"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [("valid", gettext("Valid")), ("expired", gettext("Expired")), ("revoked", gettext("Revoked"))]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        now = timezone.now()
        if value == "revoked":
            return queryset.exclude(revoked_at=None)
        return queryset.valid(now=now) if value == "valid" else queryset.filter(expires_at__lte=now, revoked_at=None)


@admin.register(ApiKey)
class ApiKeyAdmin(SearchedByMember):
    course_path = "membership__course"
    empty_text = _("Hand out keys on the page of a course's students. Each key is shown once.")
    form = ApiKeyForm
    change_form_outer_before_template = "admin/accounts/apikey/buttons.html"
    list_display = ("shown", "member", "course", "name", "narrowed", "state", "created", "issuer", "used", "expires")
    list_filter = (MemberCourseFilter, KeyState)
    list_select_related = ("membership__user", "membership__course", "issued_by")
    search_fields = ("=last_four", "name")
    search_help_text = _("Last four characters, name, student number or e-mail")
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
        return new_keys.show(request, [of_row(obj, request.__dict__.pop("_stoa_issued"))])

    def get_urls(self) -> list[URLPattern]:
        return [*new_keys.urls(), *key_changes.urls(), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, **options: Any) -> Any:
        key = options.get("obj")
        context["valid_key"] = key if key and key.revoked_at is None and self.may(request, Verb.CHANGE, key) else None
        return super().render_change_form(request, context, **options)

    @admin.display(description=_("key"), ordering="last_four")
    def shown(self, key: ApiKey) -> str:
        return key.shown

    @admin.display(description=_("student"), ordering="membership__external_id")
    def member(self, key: ApiKey) -> str:
        return f"{key.membership.external_id} · {key.membership.person}"

    @admin.display(description=_("course"), ordering="membership__course")
    def course(self, key: ApiKey) -> str:
        return str(key.membership.course)

    @admin.display(description=_("only for"))
    def narrowed(self, key: ApiKey) -> str:
        return "; ".join(in_words(key.scopes)) or NOTHING

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, key: ApiKey) -> str:
        return when(key.created_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        return when(key.expires_at) if key.expires_at else gettext("never")

    @admin.display(description=_("issued by"))
    def issuer(self, key: ApiKey) -> str:
        return str(key.issued_by) if key.issued_by else NOTHING

    @admin.display(description=_("last used"), ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return when(key.last_used_at)

    @admin.display(description=_("state"), ordering="revoked_at")
    def state(self, key: ApiKey) -> SafeString:
        return key_state(key, now=timezone.now())

    @admin.action(description=_("Revoke selected keys"), permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        keys = ApiKey.objects.filter(pk__in=self.changeable(request, queryset).values("pk"))
        count = keys.revoke(now=timezone.now())
        self.message_user(request, gettext("{count} revoked. They are refused within two seconds.").format(count=count))


def key_state(key: ApiKey | StaffKey, *, now: datetime) -> SafeString:
    if key.revoked_at is not None:
        return badge(gettext("revoked"), "bad", moment(key.revoked_at))
    if not key.is_valid(now=now):
        return badge(gettext("expired"), "warning", moment(key.expires_at))
    return badge(gettext("valid"), "good")
