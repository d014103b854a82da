"""Admin pages of dead letters, records that the database refused. For operators."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.accounts.audit import record
from apps.common.admin import OperatorOnly, Pages
from apps.common.display import when
from apps.common.translation import lazy as _
from apps.conversations.models import DeadLetter
from apps.conversations.spool import draining
from apps.conversations.spool.files import SpooledRecord

MOST_TOLD = 100


@admin.register(DeadLetter)
class DeadLetterAdmin(OperatorOnly, Pages):
    empty_text = _("The database took everything. What it refuses waits here.")
    list_display = ("call", "error", "buried")
    search_fields = ("call", "error")
    search_help_text = _("Request ID or error")
    fields = ("call", "buried", "error", "text")
    readonly_fields = fields
    actions = ("replay",)

    @admin.action(description=_("Replay selected dead letters"))
    def replay(self, request: HttpRequest, queryset: Any) -> None:
        letters = list(queryset)
        calls = [letter.call for letter in letters[:MOST_TOLD]]
        taken = draining.replay(letters)
        refused = len(letters) - taken
        record("dead_letters.replayed", after={"taken": taken, "refused": refused, "calls": calls})
        self.message_user(
            request,
            gettext("The database took {taken} and refused {refused} again.").format(taken=taken, refused=refused),
        )

    def delete_model(self, request: HttpRequest, obj: DeadLetter) -> None:
        self.delete_queryset(request, DeadLetter.objects.filter(pk=obj.pk))

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        calls = list(queryset.values_list("call", flat=True))
        super().delete_queryset(request, queryset)
        record("dead_letters.deleted", after={"deleted": len(calls), "calls": calls[:MOST_TOLD]})

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("since"), ordering="created_at")
    def buried(self, letter: DeadLetter) -> str:
        return when(letter.created_at)

    @admin.display(description=_("text"))
    def text(self, letter: DeadLetter) -> SafeString:
        try:
            record = SpooledRecord.from_body(letter.record["body"].encode())
        except (ValueError, TypeError, KeyError, AttributeError):
            return format_html("{}", gettext("The record cannot be read."))
        rows = ((turn.role, turn.text) for turn in record.turns)
        return format_html_join("", '<p class="stoa-plain"><b>{}</b> {}</p>', rows)
