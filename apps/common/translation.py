"""Texts that are translated when a page shows them."""

from typing import cast

from django.utils.translation import gettext_lazy


def lazy(text: str) -> str:
    """A text in the language of the reader, for what is made once: fields, forms, tables of words. Imported as `_`.

    It can be used like a str, except that `str.join`, JSON and `isinstance` need `str(...)` around it. In functions
    that answer a request use Django's `gettext`.
    """
    return cast(str, gettext_lazy(text))
