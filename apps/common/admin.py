"""What all admin pages share: fast lists, and permissions without permission rows."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.admin import ShowFacets
from django.core.paginator import Page, Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter


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
        rows: Any = self.object_list
        return int(rows.order_by()[: self.most].count())

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        rows: Any = self.object_list
        keys = rows.prefetch_related(None).values_list("pk", flat=True)[first : first + self.per_page]
        return Page(rows.filter(pk__in=list(keys)), number, self)


class Pages(ModelAdmin):
    """The base of every page. `empty_text` says what to do while a list has no rows."""

    empty_text: ClassVar[str]
    unsearchable: ClassVar[frozenset[str]] = frozenset({"password", "digest", "ciphertext"})

    list_per_page = 50
    list_filter_submit = True
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # each would count the whole table
    warn_unsaved_form = True
    save_on_top = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse lookups by a secret, which would confirm guesses at it."""
        if self.unsearchable.intersection(lookup.split("__")):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def get_ordering(self, request: HttpRequest) -> Any:
        """Explicit, because counting in the same query makes Django drop the model's own ordering."""
        return self.ordering or self.opts.ordering

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Without filters the result is the full list. Say so, or the page offers to show all."""
        changelist = super().get_changelist_instance(request)
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
