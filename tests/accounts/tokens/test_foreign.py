"""Access tokens of an issuer that an operator trusts, and of all others."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.test import Client

from apps.accounts.models import Issuer, Membership
from apps.accounts.sign_in.key_sets import KEY_SETS
from apps.accounts.tokens import bearers
from apps.accounts.tokens.access_tokens import NotYet, RefusedToken
from apps.accounts.tokens.foreign import Source
from tests import factories
from tests.accounts.tokens.asking import is_refused, post

pytestmark = pytest.mark.usefixtures("db")

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
AUDIENCE = "https://stoa.example.edu"


class KeyServer:
    """An issuer that publishes its keys, and nothing else."""

    def __init__(self) -> None:
        keys = [
            {**jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "r", "alg": "RS256"},
            {**jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "e"},
            {"kty": "oct", "kid": "o", "k": "c2VjcmV0", "alg": "HS256"},
        ]
        server = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                own = {
                    name: f"{server.url}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
                }
                document = {"keys": keys} if self.path == "/jwks_uri" else {"issuer": server.url, **own}
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    server = KeyServer()
    yield server
    server.http.shutdown()
    server.http.server_close()
    KEY_SETS.forget(Source(issuer=server.url, allow_private=True))


@pytest.fixture
def issuer(server: KeyServer) -> Issuer:
    return Issuer.objects.create(
        name="campus",
        issuer=server.url,
        signs_in=False,
        token_audience=AUDIENCE,
        allow_private_network=True,
        second_factor=Issuer.SecondFactor.ALWAYS,
    )


@pytest.fixture
def tess(issuer: Issuer) -> Membership:
    """Staff here, linked to her account there."""
    tess = factories.make_tess()
    SocialAccount.objects.create(user=tess.user, provider=issuer.issuer, uid="tess-there")
    return tess


def made(issuer: Issuer, *, key: Any = RSA, alg: str = "RS256", kid: str = "r", **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": issuer.issuer,
        "aud": [AUDIENCE, "another"],
        "sub": "tess-there",
        "iat": now,
        "exp": now + 300,
        "jti": "j-1",
        **changes,
    }
    return jwt.encode(claims, key, algorithm=alg, headers={"kid": kid})


def bearer(text: str) -> Any:
    return bearers.find(text, now=datetime.now(UTC))


def staff_api(text: str) -> int:
    return Client().get("/api/staff/calls", headers={"authorization": f"Bearer {text}"}).status_code


@pytest.mark.parametrize(("key", "alg", "kid"), [(RSA, "RS256", "r"), (EC, "ES256", "e")])
def test_a_trusted_issuer_speaks_for_who_is_linked(
    issuer: Issuer, tess: Membership, key: Any, alg: str, kid: str
) -> None:
    text = made(issuer, key=key, alg=alg, kid=kid)

    assert (bearer(text).user, bearer(text).membership) == (tess.user, tess)
    assert staff_api(text) == 200


def test_a_verified_address_finds_somebody_who_was_never_linked(issuer: Issuer) -> None:
    student = factories.make_student()
    claims = {"sub": "new", "email": student.user.email}

    assert bearer(made(issuer, **claims, email_verified=True)).membership == student
    with pytest.raises(RefusedToken):
        bearer(made(issuer, **claims, email_verified=False))
    with pytest.raises(RefusedToken):
        bearer(made(issuer, **claims))


def test_it_makes_nobody_staff(issuer: Issuer) -> None:
    student = factories.make_student()
    claims = {"sub": "new", "email": student.user.email, "email_verified": True, "groups": ["operators"]}

    assert staff_api(made(issuer, **claims, is_staff=True, role="operator")) == 403


def test_it_must_stand_for_a_second_factor_where_one_is_needed(issuer: Issuer, tess: Membership, settings: Any) -> None:
    settings.SECOND_FACTOR = "staff"
    texts = made(issuer), made(issuer, amr=["pwd", "mfa"])

    told = {}
    for factor in Issuer.SecondFactor:
        Issuer.objects.filter(pk=issuer.pk).update(second_factor=factor)
        told[factor.value] = [staff_api(text) for text in texts]

    assert told == {"own": [401, 401], "claim": [401, 200], "always": [200, 200]}


def test_a_course_may_be_named(issuer: Issuer, tess: Membership) -> None:
    other = factories.make_student(user=tess.user)

    assert bearer(made(issuer)).membership is None
    assert bearer(made(issuer, course=other.course.slug)).membership == other
    assert bearer(made(issuer, course="nowhere")).membership is None
    assert bearer(made(issuer, course=["x"])).membership is None


REFUSED: dict[str, Callable[[Issuer], str]] = {
    "for another audience": lambda issuer: made(issuer, aud="another"),
    "for nobody": lambda issuer: made(issuer, aud=[]),
    "expired": lambda issuer: made(issuer, exp=int(time.time()) - 60),
    "too long": lambda issuer: made(issuer, exp=int(time.time()) + 90_000),
    "of nobody known here": lambda issuer: made(issuer, sub="nobody"),
    "without a number": lambda issuer: made(issuer, jti=None),
    "an ID token": lambda issuer: made(issuer, at_hash="x"),
    "a logout token": lambda issuer: made(issuer, events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "by the key's other algorithm": lambda issuer: made(issuer, alg="PS256"),
    "by a shared secret": lambda issuer: made(issuer, key="secret" * 8, alg="HS256"),
    "by another kind of key under this name": lambda issuer: made(issuer, key=EC, alg="ES256", kid="r"),
    "by a foreign key": lambda issuer: made(issuer, key=rsa.generate_private_key(65537, 2048)),
    "by an issuer that nobody trusts": lambda issuer: made(issuer, iss="https://evil.example"),
    "by the issuer in other letters": lambda issuer: made(issuer, iss=issuer.issuer.upper()),
}


@pytest.mark.parametrize("vector", REFUSED.values(), ids=REFUSED.keys())
def test_this_is_refused(vector: Callable[[Issuer], str], issuer: Issuer, tess: Membership) -> None:
    with pytest.raises(RefusedToken):
        bearer(vector(issuer))


@pytest.mark.parametrize("kid", ["o", "unknown"])
def test_a_key_that_is_not_known_may_be_known_later(kid: str, issuer: Issuer, tess: Membership) -> None:
    with pytest.raises(NotYet):
        bearer(made(issuer, kid=kid))


@pytest.mark.parametrize("change", [{"token_audience": ""}, {"is_active": False}])
def test_an_issuer_is_trusted_only_as_long_as_an_operator_says_so(
    change: dict[str, Any], issuer: Issuer, tess: Membership
) -> None:
    text = made(issuer)
    assert bearer(text)

    Issuer.objects.filter(pk=issuer.pk).update(**change)

    with pytest.raises(RefusedToken):
        bearer(text)


def test_it_can_be_revoked_here(issuer: Issuer, tess: Membership) -> None:
    text, other = made(issuer), made(issuer, jti="j-2")

    assert post("logout", {"access_token": text}).status_code == 204

    assert (staff_api(text), staff_api(other)) == (401, 200)
    assert is_refused(post("logout", {"access_token": text}))


def test_signing_out_everywhere_holds_for_it_too(issuer: Issuer, tess: Membership) -> None:
    text = made(issuer, iat=int(time.time()) - 10)

    tess.user.sign_out_tokens(now=datetime.now(UTC))

    assert staff_api(text) == 401


def test_somebody_who_was_deactivated_is_refused(issuer: Issuer, tess: Membership) -> None:
    tess.user.is_active = False
    tess.user.save()

    assert staff_api(made(issuer)) == 401
