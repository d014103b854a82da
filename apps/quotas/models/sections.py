"""Sections of the ledger: 4,096 consecutive ids of entries each. The index of entries is by section and week.

An index by week alone has a page for each student, so each call writes to another page. With sections, all calls write
to the few pages of the last one: SQLite writes a third of the bytes with 64 concurrent students. Reading a week takes
one lookup for each section since the week began, some microseconds each.
"""

SECTION = 4096


def sections_between(older: int, newer: int) -> range:
    """The sections of two entries, given by id, and all sections between them."""
    return range(older // SECTION, newer // SECTION + 1)
