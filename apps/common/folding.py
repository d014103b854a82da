"""Searches that mind no case in any script, also on SQLite, whose LIKE knows that of ASCII alone.

Words in ASCII still go to LIKE, which is fast. Any other word is looked for by a function of ours, letter by letter as
PostgreSQL would: half a second for a million short texts.
"""

import operator
from collections.abc import Callable
from typing import Any

from django.db.backends.signals import connection_created
from django.db.models import Field, lookups

Test = Callable[[str, str], bool]

_TESTS: dict[str, tuple[Any, Test]] = {
    "icontains": (lookups.IContains, operator.contains),
    "istartswith": (lookups.IStartsWith, str.startswith),
    "iendswith": (lookups.IEndsWith, str.endswith),
    "iexact": (lookups.IExact, operator.eq),
}


def register() -> None:
    """Replace Django's lookups of these names, which differ on SQLite alone, and give each connection the functions."""
    for name, (base, _) in _TESTS.items():
        Field.register_lookup(type(base.__name__, (_InAnyScript, base), {}), name)
    connection_created.connect(_prepare, dispatch_uid="folding")


class _InAnyScript:
    lookup_name: str
    rhs: Any

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        lookup: Any = self
        if not isinstance(self.rhs, str) or self.rhs.isascii():
            return lookup.as_sql(compiler, connection)
        text, parameters = lookup.process_lhs(compiler, connection)
        return f"stoa_{self.lookup_name}({text}, %s)", [*parameters, self.rhs.casefold()]


def _prepare(*, connection: Any, **_: Any) -> None:
    if connection.vendor == "sqlite":
        for name, (_base, test) in _TESTS.items():
            connection.connection.create_function(f"stoa_{name}", 2, _function(test), deterministic=True)


def _function(test: Test) -> Callable[[Any, str], bool | None]:
    def found(value: Any, word: str) -> bool | None:
        if value is None:
            return None
        text = value if isinstance(value, str) else str(value)
        if text.isascii() and not word.isascii():
            return False  # at once, as for nearly all texts in English
        return test(text.casefold(), word)

    return found
