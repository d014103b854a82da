"""The sections of the ledger: every 4,096 ids of entries are one, and their index is by section and week.

An index by week alone has a page for each student, and each call writes to another one. In this one all calls write to
the few pages of the last section, so that SQLite writes a third of the bytes with 64 students together; whoever reads a
week looks it up in each section since it began, which takes some microseconds a section.
"""

SECTION = 4096


def sections_between(older: int, newer: int) -> range:
    """The sections of two entries and all that lie between them, by the ids of the entries."""
    return range(older // SECTION, newer // SECTION + 1)
