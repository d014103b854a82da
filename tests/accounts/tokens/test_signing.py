"""Which key signs, what is published, and what commands and tasks do to tokens."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from apps.accounts.models import AuditEntry, RevokedToken, TokenFamily, TokenKey
from apps.accounts.tasks import forget_tokens
from apps.accounts.tokens import bearers, families, signing, upkeep
from apps.accounts.tokens.access_tokens import RefusedToken
from apps.common.encryption import CannotDecrypt
from apps.common.models import Revision
from tests import factories
from tests.accounts.tokens.asking import is_refused, issue, issued, refresh

pytestmark = pytest.mark.usefixtures("db")
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def key() -> str:
    return factories.make_key()


def key_set() -> list[dict[str, Any]]:
    answer = Client().get("/.well-known/jwks.json")
    assert answer.status_code == 200
    keys: list[dict[str, Any]] = answer.json()["keys"]
    return keys


def kid_of(text: str) -> str:
    kid: str = jwt.get_unverified_header(text)["kid"]
    return kid


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def is_accepted(text: str) -> bool:
    try:
        bearers.find(text, now=datetime.now(UTC))
    except RefusedToken:
        return False
    return True


def test_the_first_key_is_made_at_first_need_and_stays(key: str) -> None:
    (published,) = key_set()

    assert kid_of(issue(api_key=key).access) == kid_of(issue(api_key=key).access) == published["kid"]
    assert (published["alg"], published["use"], published["crv"]) == ("ES256", "sig", "P-256")
    assert set(published) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_the_private_key_is_encrypted_for_its_row() -> None:
    one, other = (TokenKey.make(signs_from=NOW, now=NOW) for _ in range(2))
    assert "PRIVATE" not in one.ciphertext

    one.ciphertext = other.ciphertext

    with pytest.raises(CannotDecrypt):
        one.private()


def test_a_new_key_is_published_before_it_signs() -> None:
    old, _ = signing.signer(now=NOW)

    new = signing.rotate(now=NOW)

    later = NOW + signing.AHEAD
    assert {one["kid"] for one in signing.key_set(now=NOW)["keys"]} == {old, new.kid}
    assert [signing.signer(now=at)[0] for at in (NOW, later - timedelta(seconds=1), later)] == [old, old, new.kid]


def test_an_old_key_is_published_until_its_last_token_has_expired() -> None:
    old, _ = signing.signer(now=NOW)
    new = signing.rotate(now=NOW)

    end = NOW + signing.AHEAD + signing.OVERLAP
    before, after = (
        [one["kid"] for one in signing.key_set(now=at)["keys"]] for at in (end - timedelta(seconds=1), end)
    )

    assert set(before) == {old, new.kid}
    assert after == [new.kid]


def test_rotating_ends_no_token(key: str) -> None:
    tokens = issue(api_key=key)

    told = run("rotate_signing_keys")

    assert len(key_set()) == 2 and told.split()[0] in {one["kid"] for one in key_set()}
    assert is_accepted(tokens.access)


def test_a_key_that_leaked_is_worth_nothing_at_once(key: str) -> None:
    tokens = issue(api_key=key)

    run("rotate_signing_keys", "--at-once")

    assert not is_accepted(tokens.access)
    assert [one["kid"] for one in key_set()] != [kid_of(tokens.access)]
    assert is_accepted(issued(refresh(tokens.refresh)).access)


def test_when_no_key_opens_a_new_one_is_made(key: str, caplog: pytest.LogCaptureFixture) -> None:
    first = kid_of(issue(api_key=key).access)

    with override_settings(SECRET_KEYS=["another secret that opens nothing"]):
        second = kid_of(issue(api_key=key).access)

    assert first != second
    assert first in caplog.text


def test_signing_out_ends_every_token_of_a_person(key: str) -> None:
    tokens = issue(api_key=key)
    user = TokenFamily.objects.get().user
    other = issue(api_key=factories.make_key())

    told = run("sign_out", user.username)

    assert "1 token families ended" in told
    assert not is_accepted(tokens.access) and is_refused(refresh(tokens.refresh))
    assert is_accepted(other.access)
    assert AuditEntry.objects.filter(action="user.signed_out", object_id=str(user.pk)).exists()


def test_signing_out_nobody_is_a_mistake() -> None:
    with pytest.raises(CommandError, match="no user"):
        run("sign_out", "nobody")


def test_what_has_expired_is_forgotten(key: str) -> None:
    issue(api_key=key)
    RevokedToken.objects.add(issuer="x", jti="y", expires_at=datetime.now(UTC))
    signing.replace_at_once(now=datetime.now(UTC))
    TokenKey.objects.exclude(ends_at=None).update(ends_at=datetime.now(UTC) - upkeep.LATE)

    assert upkeep.forget(now=datetime.now(UTC) + families.IDLE + upkeep.LATE) == 3

    assert not TokenFamily.objects.exists() and not RevokedToken.objects.exists()
    assert len(key_set()) == 1


def test_forgetting_nothing_makes_nobody_look_again(key: str) -> None:
    tokens = issue(api_key=key)
    numbers = dict(Revision.objects.values_list("topic", "number"))

    assert forget_tokens() == 0

    assert dict(Revision.objects.values_list("topic", "number")) == numbers
    assert is_accepted(tokens.access)


def test_neither_issuing_nor_refreshing_makes_anybody_look_again(key: str) -> None:
    text = issue(api_key=key).refresh
    numbers = dict(Revision.objects.values_list("topic", "number"))

    for _ in range(3):
        text = issued(refresh(text)).refresh
    issue(api_key=key)

    assert dict(Revision.objects.values_list("topic", "number")) == numbers
