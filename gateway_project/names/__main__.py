"""`python -m gateway_project.names` writes known.py; with `--check` it only compares."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
django.setup()

from gateway_project.env import BASE_DIR  # noqa: E402
from gateway_project.names import implicit_names  # noqa: E402

KNOWN = BASE_DIR / "gateway_project" / "names" / "known.py"
HEAD = '''"""Names that Django makes from the code, for translators. `make docs` writes this file."""

from django.utils.translation import gettext_noop

NAMES = (
'''
text = HEAD + "".join(f'    gettext_noop("{name}"),\n' for name in implicit_names()) + ")\n"
if "--check" not in sys.argv:
    KNOWN.write_text(text)
elif not KNOWN.exists() or KNOWN.read_text() != text:
    sys.exit("gateway_project/names/known.py lacks names of tables or fields. Run: make docs")
