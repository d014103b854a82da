"""The admin page on which members of staff issue and revoke keys of their own for the staff API."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.accounts import permissions
from apps.accounts.admin import new_keys
from apps.accounts.admin.api_keys import KeyState, key_state
from apps.accounts.models import StaffKey
from apps.accounts.new_keys import of_row
from apps.accounts.permissions import Verb
from apps.accounts.sign_in.step_up import StepUp
from apps.common.admin import Pages
from apps.common.display import badge, when
from apps.common.translation import lazy as _


@admin.register(StaffKey)
class StaffKeyAdmin(StepUp, Pages):
    """Everybody sees and revokes their own keys, and operators all of them. Nobody issues one for somebody else."""

    list_title = _("Your keys")
    empty_text = _("A key of your own lets a program read what you may see, at /api/staff.")
    list_display = ("shown", "holder", "name", "shown_rights", "state", "created", "used", "expires")
    list_filter = (KeyState,)
    list_select_related = ("user",)
    search_fields = ("=last_four", "name", "user__username", "user__email")
    search_help_text = _("Last four characters, name or holder")
    actions = ("revoke",)
    fields = ("name", "expires_at", "reads_only")
    shown_fields = ("shown", "holder", "name", "shown_rights", "state", "created", "used", "expires")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).for_staff(request.user)

    def _may(self, request: HttpRequest, verb: Verb) -> bool:
        return permissions.may_own(request.user, verb, "StaffKey")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Verb.SEE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Verb.SEE)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Verb.ADD)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and self._may(request, Verb.ACT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is None else self.shown_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.shown_fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"reads_only": True, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: StaffKey, form: Any, change: bool) -> None:
        user: Any = request.user
        row, text = StaffKey.issue(user=user, name=obj.name, expires_at=obj.expires_at, reads_only=obj.reads_only)
        obj.__dict__.update(row.__dict__)
        request.__dict__["_stoa_issued"] = text

    def response_add(self, request: HttpRequest, obj: StaffKey, post_url_continue: str | None = None) -> HttpResponse:
        return new_keys.show(request, [of_row(obj, request.__dict__.pop("_stoa_issued"))])

    @admin.action(description=_("Revoke selected keys"), permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        keys = StaffKey.objects.for_staff(request.user).filter(pk__in=queryset.values("pk"))
        self.message_user(
            request,
            gettext("{revoke} revoked. They are refused from now on.").format(revoke=keys.revoke(now=timezone.now())),
        )

    @admin.display(description=_("key"), ordering="last_four")
    def shown(self, key: StaffKey) -> str:
        return key.shown

    @admin.display(description=_("holder"), ordering="user__username")
    def holder(self, key: StaffKey) -> str:
        return key.user.username

    @admin.display(description=_("may"), ordering="reads_only")
    def shown_rights(self, key: StaffKey) -> SafeString:
        return badge(gettext("read")) if key.reads_only else badge(gettext("read and change"), "warning")

    @admin.display(description=_("last used"), ordering="last_used_at")
    def used(self, key: StaffKey) -> str:
        return when(key.last_used_at)

    @admin.display(description=_("state"), ordering="revoked_at")
    def state(self, key: StaffKey) -> SafeString:
        return key_state(key, now=timezone.now())

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, key: StaffKey) -> str:
        return when(key.created_at)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, key: StaffKey) -> str:
        return when(key.expires_at) if key.expires_at else gettext("never")
