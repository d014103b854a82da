"""What is said about an installation before it does harm."""

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from gateway_project.checks import limits_are_shared
from gateway_project.env import BASE_DIR
from tests.live import SECRETS, manage


@pytest.mark.parametrize(("processes", "redis"), [(1, ""), (1, "redis://redis/0"), (4, "redis://redis/0")])
def test_limits_that_are_shared_need_no_warning(settings: Any, processes: int, redis: str) -> None:
    settings.WEB_CONCURRENCY, settings.REDIS_URL = processes, redis

    assert limits_are_shared(None) == []


def test_several_processes_without_redis_are_warned_of_with_the_remedy(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.WEB_CONCURRENCY, settings.REDIS_URL = 4, ""

    call_command("check", "--tag", "stoa")

    said = capsys.readouterr().err
    assert "stoa.W002" in said
    assert "to 1/4 of each limit" in said
    assert "Set REDIS_URL" in said


PAGES = """
import sys, django
django.setup()
from django.core.checks import run_checks
print("apps.accounts.admin" in sys.modules, run_checks(tags=["admin"]), "apps.accounts.admin" in sys.modules)
"""


def test_pages_of_the_admin_are_checked_although_not_every_process_loads_them() -> None:
    said = subprocess.run([sys.executable, "-c", PAGES], cwd=BASE_DIR, capture_output=True, text=True, check=True)

    assert said.stdout == "False [] True\n"


def test_a_production_that_is_set_up_as_described_passes_every_check(tmp_path: Path) -> None:
    told = {name: secrets.token_urlsafe(32) for name in SECRETS}

    checked = manage(
        *("check", "--deploy", "--fail-level", "WARNING"),
        data_dir=tmp_path,
        GATEWAY_ENV="production",
        ALLOWED_HOSTS="gateway.example.edu",
        TRUSTED_PROXIES="127.0.0.1",
        **told,
    )

    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr
