"""What has expired does not stay in the database."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.utils import timezone

from apps.common.models import CacheEntry
from apps.common.tasks import forget_expired


def test_expired_entries_and_sessions_are_deleted(db: None) -> None:
    cache.set("kept", 1, timeout=3600)
    cache.set("gone", 1, timeout=-3600)
    Session.objects.create(session_key="gone", session_data="", expire_date=timezone.now() - timedelta(days=1))
    Session.objects.create(session_key="kept", session_data="", expire_date=timezone.now() + timedelta(days=1))

    forget_expired()

    assert [key.rpartition(":")[2] for key in CacheEntry.objects.values_list("cache_key", flat=True)] == ["kept"]
    assert [*Session.objects.values_list("pk", flat=True)] == ["kept"]
