"""What operators see of a person's campus account, on the page of the user, and how they cut the link."""

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext

from apps.accounts.audit import record
from apps.accounts.models import GivenRole, User
from apps.accounts.sign_in import sessions
from apps.accounts.sign_in.step_up import step_up
from apps.accounts.tokens import upkeep
from apps.common.admin import Pages
from apps.common.display import NOTHING
from apps.common.translation import lazy as _

BREAK = mark_safe("<br>")  # no value of anybody's


class CampusAccounts(Pages):
    """Adds the links to campus accounts, and what groups gave."""

    @admin.display(description=_("campus accounts"))
    def campus_accounts(self, user: User) -> Any:
        rows = SocialAccount.objects.filter(user=user).order_by("date_joined").values_list("provider", "uid")
        return format_html_join(BREAK, "{} · {}", rows) or NOTHING

    @admin.display(description=_("given by groups"))
    def given_by_groups(self, user: User) -> Any:
        rows = GivenRole.objects.filter(user=user, is_held=True).exclude(kind=GivenRole.Kind.STAFF)
        lines = ((row.told, row.issuer) for row in rows.select_related("course", "department", "issuer"))
        return format_html_join(BREAK, "{} · {}", lines) or NOTHING

    @admin.action(description=_("Remove their links to campus accounts"))
    def unlink(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        if refusal := step_up(request):
            return refusal
        for user in queryset.filter(socialaccount__isnull=False).distinct():
            SocialAccount.objects.filter(user=user).delete()
            record("sign_in.unlinked", subject=user)
            sessions.end_all(user, but=request.session.session_key)
            upkeep.sign_out(user, now=timezone.now())  # also tokens of the issuer, which are kept until they expire
        self.message_user(
            request, gettext("Removed. Their next campus sign-in finds them by address or campus ID again.")
        )
        return None
