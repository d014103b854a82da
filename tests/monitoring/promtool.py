"""Prometheus's own tool, if this machine has it."""

import shutil
import subprocess

import pytest

REMEDY = "promtool is missing, so alerts and metrics are not checked. On Debian: apt-get install prometheus"


def promtool(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it; the test is skipped if there is none."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip(REMEDY)
    return subprocess.run([path, *arguments], input=given, capture_output=True, text=True, timeout=120, check=False)
