"""Keys are rotated: everything is encrypted with the newest one, so that the older ones can go."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.chat.idempotency import stored_answers
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.chat.models import Repeat
from apps.providers.models import Credential
from tests import factories

pytestmark = pytest.mark.django_db

OLD, NEW = "o" * 40, "n" * 40
ANSWER = StoredAnswer(call="c1", is_stream=False, headers={}, content=b"{}")


@pytest.fixture
def old(settings: Any) -> Any:
    settings.SECRET_KEYS = [OLD]
    return settings


@pytest.fixture
def credential(old: Any) -> Credential:
    return factories.make_credential(factories.make_provider(secret="", name="campus"), secret="sk-1", label="main")


def rotated() -> str:
    out = StringIO()
    call_command("rotate_credentials", stdout=out)
    return out.getvalue()


def test_afterwards_the_old_key_is_not_needed(old: Any, credential: Credential) -> None:
    old.SECRET_KEYS = [NEW, OLD]

    told = rotated()

    old.SECRET_KEYS = [NEW]
    assert Credential.objects.get().secret() == "sk-1"
    assert "credentials: 1 encrypted anew, 0 had the newest key, 0 do not open." in told
    assert "sk-1" not in told


def test_a_second_time_changes_nothing(old: Any, credential: Credential) -> None:
    old.SECRET_KEYS = [NEW, OLD]
    rotated()
    before = Credential.objects.get().ciphertext

    told = rotated()

    assert Credential.objects.get().ciphertext == before
    assert "credentials: 0 encrypted anew, 1 had the newest key, 0 do not open." in told


def test_a_secret_is_not_dated_as_changed(old: Any, credential: Credential) -> None:
    before = Credential.objects.get().changed_at
    old.SECRET_KEYS = [NEW, OLD]

    rotated()

    assert Credential.objects.get().changed_at == before


def test_one_that_does_not_open_is_named_and_stops_nothing(old: Any, credential: Credential) -> None:
    lost = factories.make_credential(credential.provider, secret="sk-2", label="lost")
    Credential.objects.filter(pk=lost.pk).update(ciphertext=credential.ciphertext)
    old.SECRET_KEYS = [NEW, OLD]

    with pytest.raises(CommandError, match="campus / lost"):
        rotated()

    assert Credential.objects.get(pk=credential.pk).ciphertext != credential.ciphertext
    assert Credential.objects.get(pk=lost.pk).ciphertext == credential.ciphertext


async def test_kept_answers_are_rotated_too(old: Any, transactional_db: None) -> None:
    now = datetime.now(UTC)
    row = Repeat(id="digest", body="b", call="c1", membership=1, state="done", created_at=now)
    row.answer, row.expires_at = await stored_answers.seal(ANSWER, claim=row.id), now + timedelta(days=1)
    await row.asave()
    old.SECRET_KEYS = [NEW, OLD]

    from asgiref.sync import sync_to_async

    await sync_to_async(rotated)()

    old.SECRET_KEYS = [NEW]
    kept = await Repeat.objects.aget()
    assert await stored_answers.unseal(kept.answer, claim=row.id) == ANSWER
