"""The admin page of token families: the programs that are signed in as somebody. For operators."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.accounts.models import TokenFamily
from apps.common.admin import CappedPaginator, ChoiceFilter, OperatorOnly, Pages, ReadOnly
from apps.common.display import NOTHING, badge, when
from apps.common.translation import lazy as _


class FamilyState(ChoiceFilter):
    title = _("state")
    parameter_name = "state"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [("open", gettext("Open")), ("expired", gettext("Expired")), ("revoked", gettext("Revoked"))]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        if value == "revoked":
            return queryset.exclude(revoked_at=None)
        is_expired = Q(expires_at__lte=timezone.now())
        return queryset.filter(is_expired if value == "expired" else ~is_expired, revoked_at=None)


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnly, OperatorOnly, Pages):
    list_title = _("Signed-in programs")
    empty_text = _("No program is signed in. One that calls /auth/token is listed here.")
    paginator = CappedPaginator
    list_display = ("person", "course", "made_with", "state", "started", "renewed", "ends")
    list_filter = (FamilyState,)
    list_select_related = ("user", "membership__course", "api_key")
    search_fields = ("user__username", "user__email", "user__first_name", "user__last_name", "=api_key__last_four")
    search_help_text = _("Name, e-mail or the last four characters of the key")
    sortable_by = ()
    actions = ("revoke",)
    fields = list_display
    readonly_fields = list_display

    @admin.action(description=_("Revoke their tokens"), permissions=("view",))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        families = TokenFamily.objects.filter(pk__in=queryset.values("pk"))
        self.message_user(
            request,
            gettext("{revoke} revoked. Their tokens are refused from now on.").format(
                revoke=families.revoke(now=timezone.now())
            ),
        )

    @admin.display(description=_("person"))
    def person(self, family: TokenFamily) -> str:
        return str(family.user)

    @admin.display(description=_("course"))
    def course(self, family: TokenFamily) -> str:
        return family.membership.course.slug if family.membership is not None else NOTHING

    @admin.display(description=_("made with"))
    def made_with(self, family: TokenFamily) -> str:
        return family.api_key.shown if family.api_key is not None else gettext("password")

    @admin.display(description=_("state"))
    def state(self, family: TokenFamily) -> SafeString:
        now = timezone.now()
        if family.revoked_at is not None:
            return badge(gettext("revoked"), "bad")
        if family.expires_at <= now:
            return badge(gettext("expired"))
        return badge(gettext("open"), "good") if family.is_good(now=now) else badge(gettext("refused"), "warning")

    @admin.display(description=_("started"))
    def started(self, family: TokenFamily) -> str:
        return when(family.created_at)

    @admin.display(description=_("renewed"))
    def renewed(self, family: TokenFamily) -> str:
        return when(family.refreshed_at)

    @admin.display(description=_("ends"))
    def ends(self, family: TokenFamily) -> str:
        return when(family.expires_at)
