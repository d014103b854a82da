"""Names of tables and their fields that Django makes from the code, such as “weekly tokens”, in the reader's language.

They are set when Stoa starts, not in the models: a `verbose_name` that is written out would be a migration each time.
`known.py` lists them for the tools that collect texts for translators.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Field
from django.utils.encoding import force_str

from apps.common.translation import lazy


def translate() -> None:
    for row, attribute, name in _implicit():
        setattr(row, attribute, lazy(name))


def implicit_names() -> list[str]:
    return sorted({name for _row, _attribute, name in _implicit()})


def _implicit() -> Iterator[tuple[Any, str, str]]:
    """What has such a name, the attribute that holds it, and the name."""
    for model in apps.get_models():
        if not model.__module__.startswith("apps."):
            continue
        options: Any = model._meta
        name = force_str(options.verbose_name_raw)
        if "verbose_name" not in options.original_attrs:
            yield options, "verbose_name", name
        if "verbose_name_plural" not in options.original_attrs:
            yield options, "verbose_name_plural", f"{name}s"
        for field in options.local_fields + options.local_many_to_many:
            if isinstance(field, Field) and field._verbose_name is None:  # type: ignore[attr-defined]
                yield field, "verbose_name", force_str(field.verbose_name)
