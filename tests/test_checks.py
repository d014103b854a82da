"""What is said about an installation before it does harm."""

from typing import Any

import pytest
from django.core.management import call_command

from gateway_project.checks import limits_are_shared


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
