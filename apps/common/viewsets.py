"""The base of the staff API's resources."""

from typing import Any, ClassVar

from django_filters.rest_framework import FilterSet
from rest_framework.request import Request
from rest_framework.viewsets import ReadOnlyModelViewSet

from apps.common.staff import refuse_unknown


class StaffViewSet(ReadOnlyModelViewSet[Any]):
    """A resource that staff list and retrieve. Subclasses set serializer, filters and, in `get_queryset`, the rows.

    All rows must come from the model's `for_staff`: no URL and no filter may show any other.
    """

    http_method_names = ("get", "head")
    filterset_class: ClassVar[type[FilterSet]]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        refuse_unknown(request, known=() if self.detail else self._parameters())

    def _parameters(self) -> tuple[str, ...]:
        return (*self.filterset_class.base_filters, "cursor", "page_size")

    @property
    def default_response_headers(self) -> dict[str, str]:
        """No cache may store what staff see."""
        return {**super().default_response_headers, "Cache-Control": "no-store"}
