from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import Course, GroupGrant, Issuer, User
from apps.accounts.sign_in.campus.provider import source_of
from apps.accounts.sign_in.key_sets import KEY_SETS
from tests import factories
from tests.oidc_provider import CLIENT, SECRET, OidcProvider, oidc_provider


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    with oidc_provider(tmp_path_factory.mktemp("campus")) as provider:
        provider.register("http://testserver/sign-in/campus/campus/callback/")
        yield provider


class Campus:
    """An issuer of this test, and people who sign in through it."""

    def __init__(self, provider: OidcProvider) -> None:
        self.provider, self.is_changed = provider, False
        self.issuer = Issuer.objects.create(
            name="campus",
            title="Example University",
            issuer=provider.url,
            client_id=CLIENT,
            id_claim="student_id",
            allow_private_network=True,
        )
        self.issuer.set_secret(SECRET)

    def forget(self) -> None:
        """As if Stoa had just started: what the provider publishes is fetched anew, here and in the next test."""
        KEY_SETS.forget(source_of(self.issuer))
        self.is_changed = True

    def says(self, username: str = "ada", **claims: object) -> None:
        """What the campus says of somebody: a verified address and no groups, unless it is told otherwise."""
        usual = {"email": f"{username}@example.edu", "email_verified": True, "groups": []}
        self.provider.person(username, **{**usual, **claims})

    def grant(self, group: str, **gives: object) -> GroupGrant:
        return GroupGrant.objects.create(issuer=self.issuer, group=group, **gives)

    def instructors(self, group: str, course: Course) -> GroupGrant:
        return self.grant(group, course=course, role="instructor")

    def leave(self, client: Client, path: str = "/sign-in/campus/campus/") -> str:
        """Where Stoa sends somebody who chooses the campus."""
        sent = client.get(path)
        assert sent.status_code == 302, sent.content[:500]
        return str(sent.headers["location"])

    def back(self, client: Client, location: str, username: str = "ada") -> HttpResponse:
        parts = urlsplit(self.provider.answer_to(location, username))
        answer: HttpResponse = client.get(f"{parts.path}?{parts.query}")
        return answer

    def sign_in(self, client: Client, username: str = "ada", path: str = "/sign-in/campus/campus/") -> HttpResponse:
        return self.back(client, self.leave(client, path), username)


@pytest.fixture
def campus(db: None, provider: OidcProvider) -> Iterator[Campus]:
    """What it publishes is kept from test to test. Who changes that calls `forget`."""
    provider.reset()
    campus = Campus(provider)
    yield campus
    if campus.is_changed:
        KEY_SETS.forget(source_of(campus.issuer))


def told(answer: HttpResponse) -> list[str]:
    """The sentences that the next page shows."""
    request = answer.wsgi_request  # type: ignore[attr-defined]
    return [str(message) for message in get_messages(request)]


@pytest.fixture
def ada(db: None) -> User:
    return factories.make_user(username="ada.here", email="Ada@example.edu", is_staff=True)


def user_of(client: Client) -> User | None:
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk) if pk else None


def refusal(answer: HttpResponse) -> str:
    assert answer.status_code == 403
    return answer.context["sentence"]  # type: ignore[attr-defined,no-any-return]


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.fixture
def known(campus: Campus) -> Campus:
    """A campus at which ada may sign in, if nothing is wrong."""
    factories.make_user(email="ada@example.edu", is_staff=True)
    campus.says("ada")
    return campus
