"""The list of what happened to providers, for operators."""

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from apps.common.admin import OperatorOnly, Pages, ReadOnly
from apps.common.display import badge, when
from apps.common.translation import lazy as _
from apps.providers.models import ProviderEvent


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnly, OperatorOnly, Pages):
    empty_text = _(
        "Nothing has happened: no provider went down, and no credential was refused. Events stay for 90 days."
    )
    list_display = ("when", "shown_kind", "provider", "detail")
    list_filter = (("kind", ChoicesDropdownFilter), ("provider", RelatedDropdownFilter))
    list_select_related = ("provider",)
    search_fields = ("detail", "provider__name")
    search_help_text = _("Words or provider")
    fields = ("when", "shown_kind", "provider", "deployment", "credential", "detail")
    readonly_fields = fields

    @admin.display(description=_("time"), ordering="at")
    def when(self, event: ProviderEvent) -> str:
        return when(event.at)

    @admin.display(description=_("event"), ordering="kind")
    def shown_kind(self, event: ProviderEvent) -> SafeString:
        return badge(event.get_kind_display(), event.level)
