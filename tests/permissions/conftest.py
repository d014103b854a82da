"""The world of the permission table is built once for each module; what a test changes in it is rolled back."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from tests.permissions.cast import Cast


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cast]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield Cast.make()
        transaction.set_rollback(True)


@pytest.fixture
def cast(built: Cast, db: None) -> Iterator[Cast]:
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, "tests.permissions.cast.Blank"]):
        yield built
