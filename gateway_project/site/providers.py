"""The list of providers with what became of calls there, which the providers app does not know."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from apps.common.display import NOTHING, clock, number
from apps.common.translation import lazy as _
from apps.providers.admin import health, standing
from apps.providers.admin.health import NO_CALLS, CallsThere
from apps.providers.admin.providers import ProviderAdmin
from apps.providers.models import Provider
from gateway_project.site.traffic import by_provider


@admin.register(Provider)
class WatchedProviderAdmin(ProviderAdmin):
    list_display = ("name", "health", "last_hour", "last_failure", "address", "keys", "deployment_count")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        found, now = by_provider(now=timezone.now()), timezone.now()
        rows = list(changelist.result_list)
        for row in rows:
            row.hour, row.now = found.get(row.name, NO_CALLS), now
        changelist.result_list = rows
        return changelist

    @admin.display(description=_("health"))
    def health(self, provider: Any) -> SafeString:
        shown = health.of_provider(provider, hour=provider.hour, now=provider.now)
        return standing.with_detail(shown, shown.meaning)

    @admin.display(description=_("last hour"))
    def last_hour(self, provider: Any) -> SafeString | str:
        hour: CallsThere = provider.hour
        if not (hour.answered or hour.failed):
            return format_html('{}<small class="stoa-sub">{}</small>', gettext("no calls"), _last_check(provider))
        said = gettext("{answered} answered, {failed} failed").format(
            answered=number(hour.answered), failed=number(hour.failed)
        )
        last = (
            gettext("last success {last_answer}").format(last_answer=clock(hour.last_answer))
            if hour.last_answer
            else gettext("no success")
        )
        return format_html('<span class="stoa-number">{}</span><small class="stoa-sub">{}</small>', said, last)

    @admin.display(description=_("last error"))
    def last_failure(self, provider: Any) -> SafeString | str:
        said = health.last_error(provider)
        return format_html('<span class="stoa-sub stoa-lines" title="{}">{}</span>', said, said) if said else NOTHING


def _last_check(provider: Any) -> str:
    times: list[datetime] = [row.at for row in provider.probes.all() if not row.trouble]
    return gettext("last good check {times}").format(times=clock(max(times))) if times else ""
