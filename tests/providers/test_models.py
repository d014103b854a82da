"""Providers and their credentials as rows."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from apps.common.encryption import CannotDecrypt
from apps.common.models import Revision
from apps.providers.models import TOPIC, Credential, Provider
from tests import factories

pytestmark = pytest.mark.django_db

SECRET = "sk-very-secret"


@pytest.fixture
def credential() -> Credential:
    return factories.make_credential(factories.make_provider(secret=""), secret=SECRET)


# Credentials


def test_a_secret_that_was_written_can_be_used(credential: Credential) -> None:
    assert Credential.objects.get(pk=credential.pk).secret() == SECRET


def test_a_secret_does_not_lie_open_in_its_row(credential: Credential) -> None:
    row = Credential.objects.filter(pk=credential.pk).values().get()

    assert SECRET not in str(row)
    assert SECRET not in f"{credential} {credential!r}"


def test_writing_a_secret_again_replaces_it(credential: Credential) -> None:
    credential.set_secret("newer")

    assert Credential.objects.get(pk=credential.pk).secret() == "newer"


def test_the_same_secret_is_stored_differently_each_time(credential: Credential) -> None:
    before = credential.ciphertext

    credential.set_secret(SECRET)

    assert credential.ciphertext != before


def test_a_secret_that_is_moved_to_another_row_does_not_open(credential: Credential) -> None:
    other = factories.make_credential(credential.provider, secret="other", label="other")

    Credential.objects.filter(pk=other.pk).update(ciphertext=credential.ciphertext)

    with pytest.raises(CannotDecrypt):
        Credential.objects.get(pk=other.pk).secret()


@pytest.mark.parametrize("damage", ["", "v1", "v1:a:b:c", "plain text", "{}x", "v2{}"])
def test_a_damaged_secret_does_not_open(credential: Credential, damage: str) -> None:
    stored = credential.ciphertext
    Credential.objects.filter(pk=credential.pk).update(ciphertext=damage.format(stored[2:]))

    with pytest.raises(CannotDecrypt) as caught:
        Credential.objects.get(pk=credential.pk).secret()

    assert SECRET not in str(caught.value)


def test_changing_a_secret_is_dated(credential: Credential) -> None:
    before = Credential.objects.get(pk=credential.pk).changed_at

    credential.set_secret("newer")

    assert Credential.objects.get(pk=credential.pk).changed_at > before


# Providers


def a_provider(**fields: object) -> Provider:
    return Provider(**{"name": "p", "base_url": "https://api.example.com/v1", **fields})


@pytest.mark.parametrize(
    "base_url", ["https://api.example.com/v1", "http://127.0.0.1:9100/v1", "http://ollama:11434/v1", "https://[::1]/v1"]
)
def test_a_sound_address_is_taken(base_url: str) -> None:
    provider = a_provider(base_url=base_url)

    provider.clean()

    assert provider.base_url == base_url


def test_a_slash_at_the_end_is_taken_off() -> None:
    provider = a_provider(base_url="https://api.example.com/v1/")

    provider.clean()

    assert provider.base_url == "https://api.example.com/v1"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.example.com/v1",
        "ftp://api.example.com/v1",
        "file:///etc/passwd",
        "https://",
        "https://user:word@api.example.com/v1",
        "https://api.example.com/v1?key=1",
        "https://api.example.com/v1#x",
        "https://api.example.com/v1/chat/completions",
        "https://api.example.com/v1/Completions/",
    ],
)
def test_an_unsound_address_is_refused_at_its_field(base_url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        a_provider(base_url=base_url).clean()

    assert list(caught.value.message_dict) == ["base_url"]


def test_the_echo_needs_no_address() -> None:
    a_provider(adapter=Provider.Adapter.ECHO, base_url="").clean()


@pytest.mark.parametrize(("seconds", "is_good"), [(None, True), (0.1, True), (60, True), (0, False), (-1, False)])
def test_the_first_byte_limit_is_a_time(seconds: float | None, is_good: bool) -> None:
    provider = a_provider(timeout_seconds=seconds)

    if is_good:
        provider.clean_fields()
    else:
        with pytest.raises(ValidationError, match="timeout_seconds"):
            provider.clean_fields()


MOVES = [
    ("https://api.example.com/v1", False),
    ("https://api.example.com/v2", False),
    ("http://api.example.com/v1", True),
    ("https://api.example.com:8443/v1", True),
    ("https://api.example.org/v1", True),
]


@pytest.mark.parametrize(("before", "has_moved"), MOVES)
def test_a_provider_has_moved_if_another_server_would_get_its_secrets(before: str, has_moved: bool) -> None:
    assert a_provider().moved_from(before) is has_moved


def test_forgetting_leaves_no_secret_but_those_to_keep(credential: Credential) -> None:
    kept = factories.make_credential(credential.provider, secret="kept", label="kept")
    Credential.objects.create(provider=credential.provider, label="empty")

    forgotten = credential.provider.forget_secrets(keep=[kept.pk])

    assert forgotten == 1
    assert Credential.objects.get(pk=credential.pk).ciphertext == ""
    assert Credential.objects.get(pk=kept.pk).secret() == "kept"


def test_using_a_credential_is_dated_and_reloads_no_snapshot(credential: Credential) -> None:
    before, now = Revision.objects.get(topic=TOPIC).number, datetime(2026, 11, 30, 12, tzinfo=UTC)

    Credential.note_use([credential.pk], now=now)

    assert Credential.objects.get(pk=credential.pk).last_used_at == now
    assert Revision.objects.get(topic=TOPIC).number == before


def test_forgetting_takes_the_headers_too(credential: Credential) -> None:
    provider = credential.provider
    provider.extra_headers = {"X-Key": "4711", "X-Title": "Stoa"}
    provider.save()

    assert provider.forget_secrets(keep_headers=True) == 1
    assert provider.forget_secrets() == 2
    assert Provider.objects.get(pk=provider.pk).extra_headers == {}


ADDRESSES = [
    ("https://api.example.com/v1", False),
    ("https://api.example.com/v1beta/openai", False),
    ("https://api.example.com/api/V3", False),
    ("https://api.example.com", True),
    ("https://api.example.com/inference", True),
    ("https://v1.example.com/vision", True),
]


@pytest.mark.parametrize(("base_url", "is_doubtful"), ADDRESSES)
def test_an_address_without_a_version_is_doubtful(base_url: str, is_doubtful: bool) -> None:
    assert bool(a_provider(base_url=base_url).advice) is is_doubtful
    assert not a_provider(base_url=base_url, adapter="echo").advice
