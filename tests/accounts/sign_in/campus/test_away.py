"""The issuer does not answer, or describes itself wrongly: the sign-in page says so, and nobody loses anything."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.accounts.sign_in.campus.claims import Claims
from apps.accounts.sign_in.campus.linking import person_of
from tests.accounts.sign_in.campus.conftest import Campus

AWAY = "The sign-in of Example University does not answer properly at the moment. Whoever is signed in stays signed in."


def assert_away(answer: HttpResponse, client: Client) -> None:
    page = client.get(answer.headers["location"])
    assert (answer.status_code, answer.headers["location"]) == (302, "/sign-in/")
    assert AWAY in page.content.decode()
    assert 'name="password"' in page.content.decode()


def test_the_sign_in_page_says_that_the_issuer_is_away(known: Campus) -> None:
    known.provider.quirks(away=True)
    known.forget()
    client = Client()

    assert_away(client.get("/sign-in/campus/campus/"), client)


def test_an_issuer_that_goes_away_in_the_middle_signs_nobody_in(known: Campus, course: Any) -> None:
    known.instructors("staff", course)
    known.says("ada", groups=["staff"])
    known.sign_in(Client())
    client = Client()
    answered = urlsplit(known.provider.answer_to(known.leave(client), "ada"))
    known.provider.quirks(away=True)

    assert_away(client.get(f"{answered.path}?{answered.query}"), client)
    assert course.memberships.get().is_active, "Nothing is taken from anybody while the groups are unknown."


def test_sessions_live_on_while_the_issuer_is_away(known: Campus) -> None:
    client = Client()
    known.sign_in(client)
    known.provider.quirks(away=True)
    known.forget()

    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "document",
    [{"issuer": "https://evil.example"}, {"jwks_uri": None}, {"token_endpoint": "ftp://x"}, {"issuer": 7}],
    ids=str,
)
def test_an_issuer_that_describes_itself_wrongly_is_not_trusted(known: Campus, document: dict[str, Any]) -> None:
    known.provider.quirks(document=document)
    known.forget()
    client = Client()

    assert_away(client.get("/sign-in/campus/campus/"), client)


def test_a_secret_that_does_not_open_is_told_like_an_issuer_that_is_away(known: Campus) -> None:
    known.issuer.ciphertext = "v1:00000000:AAAA:AAAA"
    known.issuer.save()
    client = Client()

    assert_away(known.sign_in(client), client)


@pytest.mark.parametrize("change", [{"is_active": False}, {"signs_in": False}, {"name": "other"}], ids=str)
def test_an_issuer_that_does_not_sign_in_has_no_address(known: Campus, change: dict[str, Any]) -> None:
    client = Client()
    location = known.leave(client)
    type(known.issuer).objects.update(**change)

    assert Client().get("/sign-in/campus/campus/").status_code == 404
    assert known.back(client, location).status_code == 404


def test_an_issuer_that_moved_knows_nobody_any_more(known: Campus) -> None:
    """Subjects are an issuer's own: at another address the same one may be somebody else."""
    known.sign_in(Client())
    same = Claims(subject="sub-ada")
    assert person_of(known.issuer, same) is not None

    known.issuer.issuer = "https://idp2.example.edu"

    assert person_of(known.issuer, same) is None
