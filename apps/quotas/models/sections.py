"""Sections of the ledger: 1,024 consecutive ids of entries each. The index of entries is by section and week.

An index by week alone has a page for each student, so each call writes to another page. With sections, all calls write
to the few pages of the last one: SQLite writes a third of the bytes with 64 concurrent students. Reading a week takes
one lookup for each section since the week began, a microsecond each: smaller sections are slower to read, larger ones
have a call write to a page for each of its weeks.
"""

SECTION = 1024

# The sections of two entries, given by id, and all between them.
SECTIONS_BETWEEN = f"""
    WITH RECURSIVE section (number) AS (
        SELECT CAST(%s AS bigint) / {SECTION}
        UNION ALL SELECT number + 1 FROM section WHERE number < CAST(%s AS bigint) / {SECTION}
    ) SELECT number FROM section
"""  # noqa: S608
