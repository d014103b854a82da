"""What the checks say of a real database, spool, worker and provider, and who may read it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from apps.common import beats
from apps.common.health.states import Standing
from apps.conversations.models import DeadLetter
from apps.providers.models import CredentialHealth
from gateway_project.health import process
from gateway_project.health.checks import stores, upstreams, work
from gateway_project.health.components import checkup
from gateway_project.health.states import Condition
from tests import factories
from tests.admin.conftest import sign_in

TOKEN = "scraper-" + "x" * 32


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What an earlier test found is not shared with this one."""
    checkup.cache_clear()
    yield
    checkup.cache_clear()


@pytest.fixture
def beat(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.WORKER_BEAT = tmp_path / "worker-beat"
    monkeypatch.setattr(process, "_started", time.monotonic() - 3600)
    return tmp_path / "worker-beat"


def test_operators_and_scrapers_read_every_component(db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    answers = [
        sign_in(factories.make_operator()).get("/health"),
        Client(headers={"authorization": f"Bearer {TOKEN}"}).get("/health"),
    ]

    names = [[one["name"] for one in answer.json()["components"]] for answer in answers]
    assert set(names[0]) == set(names[1]) == checkup().names
    assert answers[0].json()["uptime_seconds"] > 0


def test_everybody_else_finds_nothing_there(db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    others = [
        Client(),
        sign_in(factories.make_user(is_staff=True)),
        Client(headers={"authorization": "Bearer wrong"}),
    ]

    assert [client.get("/health").status_code for client in others] == [404, 404, 404]


@pytest.mark.parametrize(
    ("ago", "condition"), [(None, Condition.DOWN), (1, "healthy"), (60, "degraded"), (600, Condition.DOWN)]
)
def test_the_worker_is_known_by_its_beat(ago: float | None, condition: str, beat: Path) -> None:
    if ago is not None:
        beats.note(beat)
        os.utime(beat, (time.time() - ago,) * 2)

    assert work.worker().condition == condition


def test_a_worker_that_is_away_does_not_take_the_gateway_down(db: None, beat: Path) -> None:
    operator = sign_in(factories.make_operator())
    answer = operator.get("/health")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "It has never run" in operator.get("/admin/").content.decode()


def test_a_migration_that_is_missing_is_named(db: None) -> None:
    row = MigrationRecorder.Migration.objects.filter(app="common").latest("id")
    MigrationRecorder.Migration.objects.filter(pk=row.pk).delete()

    found = stores.migrations()

    assert found.condition == Condition.DOWN
    assert f"common.{row.name} not applied" in found.sentence


def test_a_spool_that_takes_no_files_is_down(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.SPOOL_DIR = tmp_path / "file"

    assert work.spool().condition == Condition.DOWN


def test_a_spool_file_that_cannot_be_read_is_named_and_stops_nobody(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.sqlite3").write_bytes(b"This is no database." * 100)
    settings.SPOOL_DIR = tmp_path

    found = work.spool()

    assert found.condition == Condition.DEGRADED
    assert "broken.sqlite3" in found.sentence


def test_dead_letters_are_counted(db: None) -> None:
    DeadLetter.objects.create(call="0" * 32, record={}, error="too long")

    assert "1 texts were refused" in work.dead_letters().sentence


def test_providers_are_down_once_none_can_be_asked(db: None) -> None:
    north, south = factories.make_provider(name="north"), factories.make_provider(name="south")
    for provider in (north, south):
        factories.make_model(provider)

    def refuse(provider: Any) -> None:
        credential = provider.credentials.get()
        CredentialHealth.objects.create(credential=credential, standing=Standing.OUT, since=timezone.now())

    assert upstreams.providers().condition == Condition.HEALTHY
    refuse(north)
    assert upstreams.providers().condition == Condition.DEGRADED
    refuse(south)
    assert upstreams.providers().condition == Condition.DOWN
    assert "north refuses our key" in upstreams.providers().sentence


def test_redis_that_is_away_is_said_with_what_it_means(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    found = stores.redis()

    assert found.condition == Condition.DOWN
    assert "counted by each process alone" in found.sentence


def test_a_clock_that_was_set_is_noticed(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_offset", process._offset - 60)

    assert "set by +60 seconds" in stores.clock().sentence


def test_a_process_is_not_ready_without_what_it_cannot_do_without(db: None, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.SPOOL_DIR = tmp_path / "file"

    answer = Client().get("/health/ready")

    assert (answer.status_code, answer.json()) == (503, {"status": "spool unavailable"})
