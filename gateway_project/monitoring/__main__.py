"""`python -m gateway_project.monitoring` writes deploy/grafana/; with `--check` it compares, and checks the alerts."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
django.setup()

from gateway_project.monitoring.checking import mistakes  # noqa: E402
from gateway_project.monitoring.dashboards import DASHBOARDS  # noqa: E402
from gateway_project.monitoring.grafana import FOLDER, as_json  # noqa: E402

if "--check" not in sys.argv:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / dashboard.file).write_text(as_json(dashboard))
if found := mistakes():
    sys.exit("\n".join(found))
