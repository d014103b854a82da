"""Selects the SQLite library that the process uses."""

import sys


def use_bundled_sqlite() -> None:
    """Replace the system's SQLite with that of the `pysqlite3` wheel. Call it before Django is imported.

    SQLite before 3.51.3 can corrupt a write-ahead log that two processes write; Debian 12 ships 3.40. Without the wheel
    the system library stays, and `gateway_project.checks` warns if it is too old.
    """
    try:
        import pysqlite3
    except ImportError:
        return
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2
