"""What operators set is in force in every process within two seconds; what is slow is said, and not too often."""

import json
import logging
from typing import Any

import pytest
from django.db import connection

from apps.accounts.audit import security_event
from apps.common.slowness import SlowLimits, slowness
from apps.operations.models import LiveSettings
from gateway_project.observability import pools
from gateway_project.observability.pools import PoolUse
from tests.chat.world import wait_until
from tests.live import Gateway, models_on


@pytest.mark.usefixtures("committed_db")
def test_the_log_level_holds_in_every_process_within_two_seconds(two_processes: Gateway) -> None:
    def told(level: str) -> set[int]:
        lines = [json.loads(line) for line in two_processes.log.read_text().splitlines() if line.startswith("{")]
        return {line["process"] for line in lines if line["message"] == f"The log level is {level} now"}

    with models_on(two_processes.data_dir):
        LiveSettings.objects.create(log_level="ERROR")
        wait_until(lambda: len(told("ERROR")) == 3, seconds=2.5, what="The news in two web processes and a worker")
        LiveSettings.objects.all().delete()
        wait_until(lambda: len(told("INFO")) == 3, seconds=2.5, what="The default in all of them")


@pytest.fixture
def everything_is_slow(monkeypatch: Any) -> None:
    monkeypatch.setattr(slowness, "limits", SlowLimits(query_ms=0, call_ms=0, rule_ms=0))
    for teller in (slowness._queries, slowness._calls, slowness._rules):
        monkeypatch.setattr(teller, "_told_at", float("-inf"))


def test_a_slow_query_is_told_without_its_values(db: None, everything_is_slow: None, caplog: Any) -> None:
    with connection.cursor() as cursor:
        for _ in range(3):
            cursor.execute("SELECT  %s\n AS said", ["Solve my homework"])

    told = [record.getMessage() for record in caplog.records if record.name == "stoa.slow"]
    assert len(told) == 1 and told[0].endswith("SELECT %s AS said")


def test_what_is_fast_is_not_told(db: None, caplog: Any) -> None:
    slowness.query("SELECT 1", 0.9)
    slowness.call("v1/chat/completions", 29.0)
    slowness.rules(0.09)

    assert not [record for record in caplog.records if record.name == "stoa.slow"]


def test_pools_are_told_and_warned_of_while_somebody_waits(caplog: Any) -> None:
    caplog.set_level(logging.INFO)

    pools.tell([PoolUse("calls", 3)])
    pools.tell([PoolUse("calls", 3), PoolUse("connections to the database", 10, 2)])

    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("INFO", "In use: calls 3"),
        ("WARNING", "In use: calls 3, connections to the database 10 (2 wait)"),
    ]


def test_security_events_have_a_logger_of_their_own(
    db: None, caplog: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        security_event("login.guessed", note="from\none address")

    told = [record for record in caplog.records if record.name == "stoa.security"]
    assert [json.loads(record.getMessage())["action"] for record in told] == ["login.guessed"]
    assert told[0].levelname == "WARNING"
