"""What all admin pages share: fast lists, and permissions without permission rows."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.paginator import Page, Paginator
from django.db.models import DateTimeField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter

from apps.common.display import zone_name
from apps.common.filter_chips import FROM, TO, midnight
from apps.common.searching import mistake
from apps.common.translation import lazy as _

# Lookups that no page needs in its address: a pattern can take for ever, and a year may be none.
COSTLY = frozenset({"regex", "iregex", "year", "iso_year"})
_KEY = re.compile("[0-9]{1,18}|[0-9a-f]{32}")


def is_operator(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_active and user.is_staff and user.is_superuser)


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at runtime
    """For huge tables: counts at most `most` rows, and finds the keys of a page before it reads its rows.

    An index alone can sort keys, but not rows with all that is joined to them.
    """

    most = 10_000
    template_name = "admin/capped_pagination.html"

    @cached_property
    def count(self) -> int:
        if len(self._first) <= self.per_page:
            return min(len(self._first), self.most)
        return int(self._rows.order_by().values("pk")[: self.most].count())

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self._keys(first, first + self.per_page) if first else self._first[: self.per_page]
        return Page(self._rows.filter(pk__in=keys), number, self)

    @property
    def _rows(self) -> Any:
        return self.object_list

    @cached_property
    def _first(self) -> list[Any]:
        """The keys of the first page, and one more. A filter that finds little reads the whole table for them: once."""
        return self._keys(0, self.per_page + 1)

    def _keys(self, first: int, last: int) -> list[Any]:
        return list(self._rows.prefetch_related(None).values_list("pk", flat=True)[first:last])


def _may_be_a_key(value: Any) -> bool:
    return not isinstance(value, str) or bool(_KEY.fullmatch(value))


class Pages(ModelAdmin):
    """The base of every page. `empty_text` says what to do while a list has no rows."""

    empty_text: ClassVar[str]
    list_title: ClassVar[str] = ""  # as in the menu; without it, the plural name of a row
    add_words: ClassVar[str] = ""  # on the button that adds a row; without them, "Add" and the name of a row
    unsearchable: ClassVar[frozenset[str]] = frozenset({"password", "digest", "ciphertext"})

    list_per_page = 25
    list_max_show_all = 0  # a page of two hundred rows would be larger than any other
    list_filter_submit = True
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # each would count the whole table
    warn_unsaved_form = True
    save_on_top = False

    @property
    def heading(self) -> str:
        return self.list_title or capfirst(self.opts.verbose_name_plural)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse lookups by a secret, which would confirm guesses at it, and by patterns and other costly means."""
        parts = lookup.split("__")
        if self.unsearchable.intersection(parts) or COSTLY.intersection(parts[1:]):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """A row of others is answered like one that does not exist, and before anything else is looked at."""
        row = super().get_object(request, object_id, from_field) if self.has_view_permission(request) else None
        if row is None:
            raise Http404
        return row

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The entries of the row in the audit log, which is the only history."""
        row = self.get_object(request, unquote(object_id))
        about = urlencode({"object_type": self.opts.label_lower, "object_id": row.pk})
        return HttpResponseRedirect(f"{reverse('admin:accounts_auditentry_changelist')}?{about}")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any) -> Any:
        """One way to save, beside the one that stays on the page."""
        context["show_save_and_add_another"] = False
        return super().render_change_form(request, context, *args, **options)

    # Django's own log would be a second history, of what is done in the admin alone.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        pass

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        pass

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        pass

    def get_ordering(self, request: HttpRequest) -> Any:
        """Explicit, because counting in the same query makes Django drop the model's own ordering."""
        return self.ordering or self.opts.ordering

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Whoever types a time is told by which clock."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None and isinstance(db_field, DateTimeField):
            field.help_text = (
                gettext("{help_text} Time zone: {zone_name}.")
                .format(help_text=field.help_text, zone_name=zone_name())
                .lstrip()
            )
        return field

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Bounded, for lists and for autocompletion. Subclasses with a search of their own define `found`."""
        return (queryset.none(), False) if mistake(search_term) else self.found(request, queryset, search_term)

    def found(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term)
        return found

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the address fills in, without relations to what can be no row."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        relations = {field.name for field in self.opts.get_fields() if field.is_relation}
        return {name: value for name, value in given.items() if name not in relations or _may_be_a_key(value)}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Without filters the result is the full list. Say so, or the page offers to show all."""
        if wrong := mistake(request.GET.get(SEARCH_VAR, "")):
            messages.warning(request, wrong)
        try:
            changelist = super().get_changelist_instance(request)
        except (OverflowError, ValueError) as error:  # a number that is no number, or beyond all numbers and years
            raise IncorrectLookupParameters(error) from error
        changelist.title = self.heading
        if isinstance(changelist.paginator, CappedPaginator) and not changelist.multi_page:
            changelist.result_list = changelist.paginator.page(1).object_list
        if not changelist.query and not changelist.has_active_filters:
            changelist.full_result_count = changelist.result_count
        return changelist


class OperatorOnly:
    """Pages that only operators see."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)


class ReadOnly:
    """Rows that the gateway writes and nobody edits."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ChoiceFilter(DropdownFilter):
    """A filter with few, computed choices. Subclasses define `options` and `narrow`."""

    def options(self, request: HttpRequest) -> Iterable[tuple[Any, str]]:
        raise NotImplementedError

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), label) for value, label in self.options(request)]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if not value:
            return queryset
        # A value that is not offered finds nothing: a filter must not reveal rows that a person may not see.
        offered = any(value == choice for choice, _ in self.lookup_choices)
        return self.narrow(queryset, value, request) if offered else queryset.none()


class SinceFilter(ChoiceFilter):
    """Filters by time: a span until now, or days from and to. Subclasses define `since` and `before`."""

    title = _("time")
    parameter_name = "since"
    days = (FROM, TO)
    spans: ClassVar[dict[str, tuple[str, timedelta]]] = {
        "hour": (_("Last hour"), timedelta(hours=1)),
        "day": (_("Last 24 hours"), timedelta(days=1)),
        "week": (_("Last 7 days"), timedelta(days=7)),
        "month": (_("Last 30 days"), timedelta(days=30)),
    }

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self._days = {name: params.pop(name)[-1] for name in self.days if name in params}
        self.used_parameters.update(self._days)

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name, *self.days]

    def since(self, queryset: Any, start: datetime) -> Any:
        raise NotImplementedError

    def before(self, queryset: Any, end: datetime) -> Any:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        rows = super().queryset(request, queryset)
        try:
            if first := self._days.get(FROM):
                rows = self.since(rows, midnight(first))
            if last := self._days.get(TO):
                rows = self.before(rows, midnight(last, days_later=1))
        except ValueError:
            return rows.none()
        return rows

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.spans.items()]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        return self.since(queryset, timezone.now() - self.spans[value][1])
