"""Texts that are translated when a page shows them. Pure modules have `gettext` and `ngettext` from here."""

from typing import cast

from django.utils.translation import gettext, gettext_lazy, gettext_noop, ngettext

__all__ = ["gettext", "gettext_noop", "lazy", "ngettext"]


def lazy(text: str) -> str:
    """A text in the language of the reader, for what is made once: fields, forms, tables of words. Imported as `_`.

    It can be used like a str, except that `str.join`, JSON and `isinstance` need `str(...)` around it. In functions
    that answer a request use `gettext`.
    """
    return cast(str, gettext_lazy(text))
