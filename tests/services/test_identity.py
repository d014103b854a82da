"""The token by which a service learns who calls."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apps.accounts.models import TokenKey
from apps.accounts.tokens import bearers, signing
from apps.accounts.tokens.access_tokens import RefusedToken
from apps.accounts.tokens.signing import Signer, Signers
from apps.services.identities import KEPT, Identities
from gateway_project.env import BASE_DIR
from tests import factories
from tests.chat.world import wait_until
from tests.services.entries import caller
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld

EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)
NOW = datetime.now(UTC)


def identity(received: dict[str, Any]) -> list[str]:
    return [value for name, value in received["headers"] if name == "x-stoa-identity"]


def documented(world: ServiceWorld, service: str) -> Callable[[str], dict[str, Any]]:
    """The function of docs/services-identity.md, set to this gateway and service."""
    found = EXAMPLE.search((BASE_DIR / "docs/services-identity.md").read_text())
    assert found is not None
    code = found[1].replace("https://stoa.example.edu", world.gateway.base_url).replace('"users"', repr(service))
    names: dict[str, Any] = {}
    exec(code, names)
    verified: Callable[[str], dict[str, Any]] = names["caller_of"]
    return verified


def test_a_service_verifies_who_calls_as_documented(service_world: ServiceWorld, users: UsersInstance) -> None:
    (token,) = identity(service_world.echo())

    claims = documented(service_world, service_world.service.name)(token)

    member = service_world.student
    assert (claims["sub"], claims["membership"], claims["role"]) == (str(member.user_id), member.pk, "student")
    assert (claims["course"], claims["token_use"]) == (service_world.course.slug, "identity")
    assert claims["exp"] - claims["iat"] == 120
    with pytest.raises(jwt.InvalidAudienceError):
        documented(service_world, "another")(token)


def test_an_access_token_is_no_identity(service_world: ServiceWorld, users: UsersInstance) -> None:
    answer = service_world.http.post(
        f"{service_world.gateway.base_url}/auth/token", json={"api_key": service_world.key}
    )
    access = answer.json()["access_token"]

    with pytest.raises(jwt.InvalidTokenError, match="no identity token"):
        documented(service_world, "stoa")(access)
    (token,) = identity(service_world.echo(key=access))
    assert documented(service_world, service_world.service.name)(token)["membership"] == service_world.student.pk


def test_an_identity_opens_nothing_of_stoa(service_world: ServiceWorld, users: UsersInstance) -> None:
    (token,) = identity(service_world.echo())

    assert service_world.get(key=token).status_code == 401
    with pytest.raises(RefusedToken):
        bearers.find(token, now=datetime.now(UTC))


def test_nobody_forges_one(service_world: ServiceWorld, users: UsersInstance) -> None:
    forged = {"x-stoa-identity": "forged"}

    (token,) = identity(service_world.echo(headers=forged))
    service_world.change(callers=["student", "anonymous"])
    wait_until(lambda: service_world.get(key="").status_code == 200, what="The change")

    assert token != "forged"
    assert identity(service_world.echo(key="", headers=forged)) == []


def test_a_service_may_do_without(service_world: ServiceWorld, users: UsersInstance) -> None:
    service_world.change(sends_identity=False)

    wait_until(lambda: identity(service_world.echo()) == [], what="The change")


# Signing


@pytest.fixture
def identities() -> Identities:
    made, key = Identities(), ec.generate_private_key(ec.SECP256R1())
    made.signers.current = Signers((Signer("key-1", key, NOW - timedelta(days=1), None),))
    return made


async def test_a_token_serves_for_a_minute_and_one_service(identities: Identities) -> None:
    who = caller()

    first, again = [await identities.token("users", who, now=NOW) for _ in range(2)]
    other = await identities.token("library", who, now=NOW)
    later = await identities.token("users", who, now=NOW + KEPT)

    assert first == again
    assert len({first, other, later}) == 3


async def test_a_changed_account_gets_another_token(identities: Identities) -> None:
    before = await identities.token("users", caller(), now=NOW)
    after = await identities.token("users", caller(role="assistant"), now=NOW)

    claims = jwt.decode(after, options={"verify_signature": False})
    assert before != after
    assert claims["role"] == "assistant"


def test_the_key_that_signs_is_the_one_that_signs_access_tokens(db: None) -> None:
    old = TokenKey.make(signs_from=NOW - timedelta(days=1), now=NOW)
    new = signing.rotate(now=NOW)
    signers = signing.load_signers()

    kids = [signer.kid if (signer := signers.at(now)) else None for now in (NOW, new.signs_from)]

    assert kids == [old.kid, new.kid] == [signing.signer(now=now)[0] for now in (NOW, new.signs_from)]
    assert signers.at(NOW - timedelta(days=2)) is None


def test_a_service_account_is_told_as_such(service_world: ServiceWorld, users: UsersInstance) -> None:
    account = factories.make_member(course=service_world.course, role="service")
    key = factories.make_key(account)
    service_world.change(callers=["service"])
    wait_until(lambda: service_world.get(key=key).status_code == 200, what="The change")

    (token,) = identity(service_world.echo(key=key))

    assert key.startswith("stoa_svc_")
    assert jwt.decode(token, options={"verify_signature": False})["role"] == "service"
    assert service_world.get().status_code == 403
