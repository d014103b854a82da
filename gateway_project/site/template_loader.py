"""Reads the templates of other packages, and hides the theme's icons from screen readers.

An icon is a word in a font of symbols: a reader would say "gavel Rules". The theme writes them in some fifty templates.
"""

import re
from typing import Any

from django.template.loaders import app_directories

_ICON = re.compile(r'<span(?![^>]*aria-hidden)(?=[^>]*\bclass="[^"]*\bmaterial-symbols-outlined\b)')


class HidingLoader(app_directories.Loader):
    def get_contents(self, origin: Any) -> str:
        return _ICON.sub('<span aria-hidden="true"', super().get_contents(origin))
