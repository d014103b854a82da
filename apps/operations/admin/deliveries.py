"""The list of what channels were told, or will be."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from apps.accounts.audit import record
from apps.common.admin import OperatorOnly, Pages, ReadOnly
from apps.common.display import Level, badge, when
from apps.common.translation import lazy as _
from apps.operations.models import NotificationDelivery

_State = NotificationDelivery.State
LEVELS: dict[str, Level] = {_State.SENT: "good", _State.WAITING: "warning", _State.DEAD: "bad"}


@admin.register(NotificationDelivery)
class NotificationDeliveryAdmin(ReadOnly, OperatorOnly, Pages):
    empty_text = _("Nothing was sent. Add a notification channel, and it is told what happens from then on.")
    list_display = ("happened", "title", "channel", "shown_state", "attempts", "error")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("channel", RelatedDropdownFilter),
        ("notification__about", ChoicesDropdownFilter),
    )
    list_select_related = ("notification", "channel")
    search_fields = ("notification__title", "notification__detail")
    search_help_text = _("Words")
    fields = ("happened", "title", "detail", "channel", "shown_state", "attempts", "next", "sent", "error")
    readonly_fields = fields
    actions = ("send_again",)

    @admin.action(description=_("Send again"), permissions=("view",))
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        rows = NotificationDelivery.objects.filter(pk__in=queryset.values("pk"), state=_State.DEAD)
        again = list(rows.values_list("pk", flat=True))
        count = rows.filter(pk__in=again).send_again(now=now)
        record("notifications.sent_again", after={"deliveries": again[:100], "count": count})
        said = (
            gettext("{count} will be sent again in a few seconds.").format(count=count)
            if count
            else gettext("None of them was given up.")
        )
        self.message_user(request, said)

    @admin.display(description=_("time"), ordering="notification__at")
    def happened(self, row: NotificationDelivery) -> str:
        return when(row.notification.at)

    @admin.display(description=_("notification"), ordering="notification__title")
    def title(self, row: NotificationDelivery) -> SafeString:
        level: Any = row.notification.level
        return badge(row.notification.title, level)

    @admin.display(description=_("detail"))
    def detail(self, row: NotificationDelivery) -> str:
        return row.notification.detail

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, row: NotificationDelivery) -> SafeString:
        return badge(row.get_state_display(), LEVELS.get(row.state, ""))

    @admin.display(description=_("next attempt"))
    def next(self, row: NotificationDelivery) -> str:
        return when(row.due_at) if row.state == _State.WAITING else gettext("none")

    @admin.display(description=_("sent"), ordering="sent_at")
    def sent(self, row: NotificationDelivery) -> str:
        return when(row.sent_at)
