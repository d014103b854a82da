"""Renders docs/trouble.md: the errors of the student API, for people who help students."""

from collections.abc import Iterator

from gateway_project.env import BASE_DIR
from gateway_project.reference.errors import raised_errors
from gateway_project.reference.troubles import SECTIONS, KnownTrouble

PAGE = BASE_DIR / "docs" / "trouble.md"
INTRODUCTION = """# Something does not work

Every refusal has a **code**, a sentence and a **request ID**. Ask the student for them. You find the call by its
request ID in the search of *Calls*; a request without a valid key makes no call. `make docs` writes this page from the
code; [error codes](reference.md) has every sentence.

An answer that **breaks off** without an error reached the answer limit, or the student’s program stopped reading. The
page of the call says which. If a page of the admin fails, tell the operator the request ID that it shows.
"""
HEAD = "| Code | Status | What it means | The student | The instructor |\n|---|---|---|---|---|\n"


class UnexplainedTrouble(Exception):
    """A code of the student API is not in `troubles.py`, or one there is no longer raised."""


def trouble_page() -> str:
    statuses = _statuses()
    told = [code for rows in SECTIONS.values() for row in rows for code in row.codes]
    if wrong := statuses.keys() ^ set(told):
        raise UnexplainedTrouble(f"Say in troubles.py what people do about: {', '.join(sorted(wrong))}.")
    return INTRODUCTION + "".join(_sections(statuses))


def _statuses() -> dict[str, list[int]]:
    found: dict[str, set[int]] = {}
    for error in raised_errors():
        if not error.is_staff_api:
            found.setdefault(error.code, set()).add(error.status)
    return {code: sorted(statuses) for code, statuses in found.items()}


def _sections(statuses: dict[str, list[int]]) -> Iterator[str]:
    for title, rows in SECTIONS.items():
        yield f"\n## {title}\n\n{HEAD}"
        yield from (_row(row, statuses) for row in rows)


def _row(row: KnownTrouble, statuses: dict[str, list[int]]) -> str:
    codes = ", ".join(f"`{code}`" for code in row.codes)
    numbers = ", ".join(str(one) for one in sorted({status for code in row.codes for status in statuses[code]}))
    return f"| {codes} | {numbers} | {row.meaning} | {row.student} | {row.instructor} |\n"
