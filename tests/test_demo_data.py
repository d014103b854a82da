"""Demo data: plausible, the same for the same seed, and proven by the ledger's audit."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import Course
from apps.conversations.models import Call, Turn
from apps.conversations.search.index import Within, find
from apps.conversations.search.words import phrases
from apps.providers.models import ProviderEvent
from apps.quotas.ledger.audit import audit
from apps.quotas.models import QuotaPolicy
from gateway_project.demo_data import Size, fill
from gateway_project.demo_data.plan import apportion

NOW = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_the_ledger_proves_demo_data() -> None:
    fill(Size(calls=500, courses=5, students=6, seed=77), now=NOW)

    made = Call.objects.filter(course__slug__startswith="demo-77-")
    assert made.count() == 500
    assert {"answered", "out_of_quota"} <= set(made.values_list("status", flat=True))
    assert not made.filter(started_at__gt=NOW).exists()
    said = set(Turn.objects.filter(call__in=made, text__contains="loop").values_list("call", flat=True))
    assert set(find(phrases("loop"), Within())) == said != set()
    assert ProviderEvent.objects.filter(kind="back", at__lt=NOW).exists()
    assert audit().drift == 0
    lacking = Course.objects.filter(slug__startswith="demo-77-").exclude(pk__in=QuotaPolicy.objects.values("course"))
    assert lacking.count() == 1


@pytest.mark.django_db
def test_production_has_no_demo_data(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"gateway_env": "production"})

    with pytest.raises(CommandError, match="production"):
        call_command("make_demo_data")


def test_parts_sum_up_to_the_whole() -> None:
    assert apportion(10, [1, 1, 1]) == [3, 4, 3]
    assert sum(apportion(1_001, [0.3, 0, 2.5, 7])) == 1_001
    assert apportion(5, []) == []
