"""Which SQLite the process runs on."""

import sys


def use_bundled_sqlite() -> None:
    """Put the SQLite of the `pysqlite3` wheel in the place of the system's, before Django is imported.

    SQLite before 3.51.3 can corrupt a write-ahead log that two processes write; Debian 12 ships 3.40.
    Where no wheel exists the system library stays, and `gateway_project.checks` says so if it is too old.
    """
    try:
        import pysqlite3
    except ImportError:
        return
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2
