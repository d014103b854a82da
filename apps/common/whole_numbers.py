"""Numbers that no row can have, in lists of numbers.

Django finds nothing for one number beyond the database's integers, but a list of them (`id__in`) fails, and forms of
the admin look their choices up by such lists.
"""

from typing import Any

from django.db.models import IntegerField, lookups

MOST = 2**63 - 1


def register() -> None:
    IntegerField.register_lookup(_WithinIntegers)


class _WithinIntegers(lookups.In):
    def get_prep_lookup(self) -> Any:
        wanted: Any = super().get_prep_lookup()
        if not isinstance(wanted, list):
            return wanted
        return [one for one in wanted if not isinstance(one, int) or -MOST <= one <= MOST]
