import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from tests.openapi import MAKERS, file_of, text_of  # noqa: E402

for name in MAKERS:
    file_of(name).write_text(text_of(name))
