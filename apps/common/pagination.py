"""Pagination of the staff API."""

import re
from typing import Any, ClassVar

from django.db.models import Model
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from apps.common.staff import invalid_parameter

NO_CURSOR = "This is no cursor of this list. Take it from `next` or `previous`."


class NewestFirst(CursorPagination):
    """Pages that stay stable while rows are added: a cursor holds the id at which the next page starts.

    The filters first find the keys of a page, from an index where there is one, and then its rows are read: sorting
    rows with all that is joined to them would take seconds in a table of a million.
    """

    ordering = "-id"
    id_pattern: ClassVar[str] = "[0-9a-f]{1,32}"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    page_size_query_description = f"Rows on a page, from 1 to {max_page_size}. Default: {page_size}."
    cursor_query_description = "Where the page starts. Follow `next` and `previous` rather than write it yourself."

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        keys: Any = super().paginate_queryset(queryset.prefetch_related(None).values("id"), request, view)
        rows: dict[Any, Model] = view.get_queryset().in_bulk([key["id"] for key in keys])
        return [rows[key["id"]] for key in keys if key["id"] in rows]

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size", str(self.page_size))
        if not re.fullmatch("[0-9]{1,4}", given) or not 1 <= int(given) <= self.max_page_size:
            raise invalid_parameter("page_size", f"Give a number of rows from 1 to {self.max_page_size}.")
        return int(given)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise invalid_parameter("cursor", NO_CURSOR) from None
        if cursor is not None and not re.fullmatch(self.id_pattern, str(cursor.position)):
            raise invalid_parameter("cursor", NO_CURSOR)
        return cursor

    def get_schema_operation_parameters(self, view: Any) -> list[Any]:
        parameters = super().get_schema_operation_parameters(view)
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [{**one, "schema": size} if one["name"] == self.page_size_query_param else one for one in parameters]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "description": "Address of the page of older rows; null on the last page."},
                "previous": {**link, "description": "Address of the page of newer rows; null on the first page."},
                "results": {**schema, "description": "The rows, newest first."},
            },
        }


class NumberedNewestFirst(NewestFirst):
    """For rows whose ids are numbers."""

    id_pattern = "[0-9]{1,18}"
