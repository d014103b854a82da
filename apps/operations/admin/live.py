"""The page of the settings that take effect while Stoa runs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from apps.common.admin import OperatorOnly, Pages, is_operator
from apps.common.translation import lazy as _
from apps.operations.models import LiveSettings


@admin.register(LiveSettings)
class LiveSettingsAdmin(OperatorOnly, Pages):
    empty_text = _("The defaults are in force. Add live settings to change the log level, or what counts as slow.")
    add_words = _("Change the defaults")
    list_display = ("__str__", "log_level", "slow_query_ms", "slow_call_ms", "slow_rule_ms")
    fieldsets = (
        (
            None,
            {
                "fields": ("log_level", "slow_query_ms", "slow_call_ms", "slow_rule_ms"),
                "description": _(
                    "All processes take this over within two seconds. Delete it to go back to the defaults."
                ),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not LiveSettings.objects.exists()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Goes straight to the only row, if there is one."""
        if LiveSettings.objects.exists() and is_operator(request):
            return HttpResponseRedirect(reverse("admin:operations_livesettings_change", args=[1]))
        return super().changelist_view(request, extra_context)
