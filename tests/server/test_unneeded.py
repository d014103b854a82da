"""What a web process does without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTS = """
import sys
import django
from gateway_project.processes import unneeded
with unneeded.left_out():
    django.setup()
    from django.urls import get_resolver
    get_resolver().url_patterns
loaded = {name for name, module in sys.modules.items() if module}
print(sorted(loaded & {"psycopg", "requests", "charset_normalizer", "pygments", "unittest", "jwt", "fido2.rpid"}))
import django.test, requests
print(django.test.Client.__name__)
if "drf_spectacular.plumbing" in sys.modules:
    from drf_spectacular.plumbing import APIRequestFactory
    from fido2.server import verify_rp_id
    print(APIRequestFactory().get("/path").path, verify_rp_id("com", "https://stoa.com"), verify_rp_id("stoa.com", "https://stoa.com"))
"""


@pytest.mark.parametrize(("role", "loaded"), [("data", []), ("all", ["requests"])])
def test_a_web_process_over_sqlite_loads_nothing_that_it_never_uses(
    role: str, loaded: list[str], tmp_path: Path
) -> None:
    ours = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_ROLE": role, "DATABASE_URL": ""}
    env = {**os.environ, **ours, "DJANGO_SETTINGS_MODULE": "gateway_project.settings"}

    done = subprocess.run([sys.executable, "-c", STARTS], env=env, capture_output=True, text=True, timeout=60)

    used = [] if role == "data" else ["/path False True"]
    assert done.stdout.splitlines() == [str(loaded), "Client", *used], done.stderr
