"""`python -m gateway_project.reference` writes docs/reference.md and docs/trouble.md; `--check` only compares them."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
django.setup()

from gateway_project.reference import page, trouble_page  # noqa: E402

for path, text in ((page.PAGE, page.page()), (trouble_page.PAGE, trouble_page.trouble_page())):
    if "--check" not in sys.argv:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit(f"docs/{path.name} does not tell what the code does. Run: make docs")
