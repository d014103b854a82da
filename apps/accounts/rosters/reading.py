"""Reads a file of students as campus systems and spreadsheets write it. Pure functions of its bytes."""

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from apps.accounts.rosters.titles import COLUMNS

MOST_BYTES: Final = 10 * 1024 * 1024
MOST_ROWS: Final = 50_000
MOST_COLUMNS: Final = 100
LONGEST_CELL: Final = 1_000
DELIMITERS: Final = ("\t", ";", ",")


class UnreadableRoster(ValueError):
    """The file is no table of students. The message is a sentence for staff."""


@dataclass(frozen=True, slots=True)
class RosterTable:
    """The cells of a file, all rows as long as the header. `lines` are the numbers of the rows in the file."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


def read(content: bytes) -> RosterTable:
    """Raises UnreadableRoster."""
    if len(content) > MOST_BYTES:
        raise UnreadableRoster(
            f"The file has more than {MOST_BYTES // 1024 // 1024} MB. Upload the list of one course."
        )
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnreadableRoster("This is a workbook. In the spreadsheet, save it as CSV and upload that file.")
    text = _decoded(content)
    if "\x00" in text:
        raise UnreadableRoster("This is no text. Upload a CSV file, as your campus system exports it.")
    numbered = list(_rows(text))
    if not numbered:
        raise UnreadableRoster("The file is empty.")
    (_, header), *rest = numbered
    if len(header) > MOST_COLUMNS:
        raise UnreadableRoster(f"The file has more than {MOST_COLUMNS} columns.")
    if not rest:
        raise UnreadableRoster("The file has a header and no students.")
    rows = tuple(tuple([*cells, *[""] * len(header)][: len(header)]) for _, cells in rest)
    return RosterTable(tuple(header), rows, tuple(line for line, _ in rest))


def columns_of(header: Sequence[str]) -> dict[str, int]:
    """Which column is which field, by what it is called. Fields that no column has are left out."""
    found: dict[str, int] = {}
    for index, title in enumerate(header):
        plain = _plain(title)
        field = next((field for field, names in COLUMNS.items() if plain in names), None)
        if field is not None:
            found.setdefault(field, index)
    return found


def _decoded(content: bytes) -> str:
    """UTF-8 with or without a mark, UTF-16 with one, or else what spreadsheets on Windows write."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the number of the line where each ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        for count, row in enumerate(reader):
            if count > MOST_ROWS + 1:
                raise UnreadableRoster(f"The file has more than {MOST_ROWS:,} rows.".replace(",", " "))
            cells = [cell.strip()[:LONGEST_CELL] for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UnreadableRoster(f"Line {reader.line_num} cannot be read: {error}.") from None


def _delimiter(text: str) -> str:
    """What the first line is cut by most often."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(reversed(DELIMITERS), key=first.count)


def _plain(title: str) -> str:
    """`Adresse e-mail` as `adresse e mail`."""
    letters = (letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    words = "".join(letter if letter.isalnum() else " " for letter in "".join(letters).casefold())
    return " ".join(words.split())
