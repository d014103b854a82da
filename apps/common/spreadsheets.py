"""CSV files that spreadsheets open as they are."""

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

# Spreadsheets run a cell that begins like this as a formula, some also one that begins with the full-width forms.
# Our own numbers are written as numbers and stay unquoted.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


class _Echo:
    """A file whose `write` returns what it is given."""

    def write(self, value: str) -> str:
        return value


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def response(name: str, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> StreamingHttpResponse:
    """A CSV file in UTF-8, streamed row by row. Text that a spreadsheet would run as a formula is quoted."""

    def lines() -> Iterator[bytes]:
        writer = csv.writer(_Echo())
        yield "\ufeff".encode()  # byte order mark, without which spreadsheets guess another encoding
        yield writer.writerow(list(header)).encode()
        for row in rows:
            yield writer.writerow([_safe(cell) for cell in row]).encode()

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}.csv"', "cache-control": "no-store"},
    )
