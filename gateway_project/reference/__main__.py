"""`python -m gateway_project.reference` writes docs/reference.md; with `--check` it only compares."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
django.setup()

from gateway_project.reference.page import PAGE, page  # noqa: E402

if "--check" not in sys.argv:
    PAGE.write_text(page())
elif not PAGE.exists() or PAGE.read_text() != page():
    sys.exit("docs/reference.md does not tell what the code does. Run: make docs")
