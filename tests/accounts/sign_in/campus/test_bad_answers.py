"""Whatever is wrong with what comes back from the campus, nobody is signed in and the page is the same."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import AuditEntry
from tests.accounts.sign_in.campus.conftest import Campus, signed_in, told

CALLBACK = "/sign-in/campus/campus/callback/"
FAILED = "Signing in through Example University did not work."
PAGES: set[bytes] = set()  # that were seen


QUIRKS: dict[str, dict[str, Any]] = {
    "algorithm none": {"signed": "none"},
    "the public key as a shared secret": {"signed": "public"},
    "signed by a stranger with our key's id": {"signed": "stranger"},
    "a key id that nobody publishes": {"header": {"kid": "unheard-of"}},
    "no key id": {"header": {"kid": ""}},
    "a key id that is a path": {"header": {"kid": "../../../../etc/passwd"}},
    "keys of its own": {"signed": "stranger", "header": {"jwk": {"kty": "oct", "k": "c2VjcmV0"}, "jku": "http://e/"}},
    "an unknown critical header": {"header": {"crit": ["exp"], "exp": 1}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "an issuer with a slash more": {"claims": {"iss": "http://127.0.0.1/"}},
    "no issuer": {"claims": {"iss": None}},
    "another audience": {"claims": {"aud": "another-client"}},
    "no audience": {"claims": {"aud": None}},
    "several audiences without a party": {"claims": {"aud": ["stoa", "another-client"]}},
    "issued to another party": {"claims": {"aud": ["stoa", "another-client"], "azp": "another-client"}},
    "expired": {"claims": {"iat": {"in": -400}, "exp": {"in": -100}}},
    "expired just beyond the leeway": {"claims": {"exp": {"in": -40}}},
    "no expiry": {"claims": {"exp": None}},
    "expiry is text": {"claims": {"exp": "tomorrow"}},
    "from the future": {"claims": {"iat": {"in": 100}, "exp": {"in": 400}}},
    "not valid yet": {"claims": {"nbf": {"in": 100}}},
    "no time of issue": {"claims": {"iat": None}},
    "a clock two minutes ahead": {"shift": 120},
    "another nonce": {"claims": {"nonce": "of another sign-in"}},
    "no nonce": {"claims": {"nonce": None}},
    "a nonce that is a number": {"claims": {"nonce": 5}},
    "no subject": {"claims": {"sub": None}},
    "an empty subject": {"claims": {"sub": ""}},
    "a subject that is a number": {"claims": {"sub": 42}},
    "a subject of two lines": {"claims": {"sub": "sub-\nada"}},
    "a subject without end": {"claims": {"sub": "x" * 192}},
    "no ID token": {"token": {"access_token": "x", "token_type": "Bearer"}},
    "an ID token that is a list": {"token": {"access_token": "x", "id_token": ["x"]}},
    "an ID token that is none": {"token": {"access_token": "x", "id_token": "x.y.z"}},
    "an ID token of five parts": {"token": {"access_token": "x", "id_token": "a.b.c.d.e"}},
    "no access token": {"token": {"token_type": "Bearer"}},
    "a refusal with status 200": {"token": {"error": "invalid_grant"}},
    "a list instead of an answer": {"token": []},
    "half a megabyte": {"token": {"access_token": "x", "id_token": "x" * 600_000}},
    "user info about somebody else": {"userinfo": {"sub": "sub-mallory"}},
    "user info about nobody": {"userinfo": {"sub": None}},
}


@pytest.mark.parametrize("name", QUIRKS)
def test_nobody_is_signed_in_by_a_wrong_answer(known: Campus, name: str) -> None:
    known.provider.quirks(**QUIRKS[name])
    client = Client()

    answer = known.sign_in(client)

    assert_failed(answer)
    assert not signed_in(client)
    entry = AuditEntry.objects.get(action="sign_in.failed")
    assert entry.note and known.issuer.client_id not in entry.note


def assert_failed(answer: HttpResponse) -> None:
    """The very same page, whatever was wrong."""
    assert answer.status_code == 401
    assert FAILED in answer.content.decode()
    assert "no-store" in answer.headers["cache-control"]
    PAGES.add(answer.content)
    assert len(PAGES) == 1


RETURNS: dict[str, Callable[[str], str]] = {
    "nothing at all": lambda query: "",
    "no state": lambda query: f"code={parse_qs(query)['code'][0]}",
    "a made-up state": lambda query: f"code={parse_qs(query)['code'][0]}&state=made-up",
    "a made-up code": lambda query: f"code=made-up&state={parse_qs(query)['state'][0]}",
    "no code": lambda query: f"state={parse_qs(query)['state'][0]}",
    "an error": lambda query: f"error=server_error&state={parse_qs(query)['state'][0]}",
    "another issuer's answer": lambda query: f"{query}&iss=https%3A%2F%2Fevil.example",
}


@pytest.mark.parametrize("name", RETURNS)
def test_nobody_is_signed_in_by_a_wrong_return(known: Campus, name: str) -> None:
    client = Client()
    query = urlsplit(known.provider.answer_to(known.leave(client), "ada")).query

    answer = client.get(f"{CALLBACK}?{RETURNS[name](query)}")

    assert_failed(answer)
    assert not signed_in(client)


def test_a_code_is_good_once(known: Campus) -> None:
    client, again = Client(), Client()
    first, second = known.leave(client), known.leave(again)
    code = parse_qs(urlsplit(known.provider.answer_to(first, "ada")).query)["code"][0]
    states = [parse_qs(urlsplit(sent).query)["state"][0] for sent in (first, second)]

    assert client.get(f"{CALLBACK}?code={code}&state={states[0]}").status_code == 302
    assert client.get(f"{CALLBACK}?code={code}&state={states[0]}").status_code == 401
    assert_failed(again.get(f"{CALLBACK}?code={code}&state={states[1]}"))


def test_a_code_of_somebody_elses_browser_is_not_taken(known: Campus) -> None:
    """Login CSRF: a victim is sent to our callback with the attacker's code and state."""
    attacker, victim = Client(), Client()
    answered = urlsplit(known.provider.answer_to(known.leave(attacker), "ada"))

    assert_failed(victim.get(f"{answered.path}?{answered.query}"))


def test_an_injected_code_of_another_sign_in_is_not_taken(known: Campus) -> None:
    """PKCE and nonce: the code of one sign-in under the state of another."""
    client, other = Client(), Client()
    code = parse_qs(urlsplit(known.provider.answer_to(known.leave(other), "ada")).query)["code"][0]
    state = parse_qs(urlsplit(known.leave(client)).query)["state"][0]

    assert_failed(client.get(f"{CALLBACK}?code={code}&state={state}"))


def test_what_is_sent_to_the_issuer_is_ours_alone(known: Campus) -> None:
    """Nothing from the address bar: allauth would take scopes, parameters and the kind of sign-in from there."""
    sent = known.leave(
        Client(), "/sign-in/campus/campus/?process=connect&scope=admin&auth_params=client_id%3Devil&next=//evil.example"
    )

    parameters = {name: values[0] for name, values in parse_qs(urlsplit(sent).query).items()}
    assert sent.startswith(f"{known.provider.url}/identity/o/authorize?")
    assert parameters.pop("state") and parameters.pop("nonce") and parameters.pop("code_challenge")
    assert parameters == {
        "client_id": "stoa",
        "redirect_uri": f"http://testserver{CALLBACK}",
        "response_type": "code",
        "scope": "openid profile email",
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize("shift", [-30, 30])
def test_a_clock_that_is_half_a_minute_off_does_no_harm(known: Campus, shift: int) -> None:
    known.provider.quirks(shift=shift)
    client = Client()

    known.sign_in(client)

    assert signed_in(client)


def test_an_id_token_that_has_just_expired_is_taken(known: Campus) -> None:
    known.provider.quirks(claims={"exp": {"in": -20}})
    client = Client()

    known.sign_in(client)

    assert signed_in(client)


def test_a_rotated_key_is_looked_for_once_a_minute(known: Campus) -> None:
    """In the first minute it is unknown; `test_key_sets.py` lets time pass."""
    known.forget()  # the minute begins here, not with an earlier test
    known.sign_in(Client())
    known.provider.rotate()
    client = Client()

    assert_failed(known.sign_in(client))
    known.forget()
    known.sign_in(client)

    assert signed_in(client)


def test_who_cancels_is_back_on_the_sign_in_page(known: Campus) -> None:
    client = Client()
    state = parse_qs(urlsplit(known.leave(client)).query)["state"][0]

    answer = client.get(f"{CALLBACK}?error=access_denied&state={state}")

    assert answer.headers["location"] == "/sign-in/"
    assert told(answer) == ["The sign-in was cancelled."]


def test_an_address_cannot_go_there_and_back_all_the_time(known: Campus, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "campus": "3/m/ip"}

    answers = [Client().get("/sign-in/campus/campus/").status_code for _ in range(4)]

    assert answers == [302, 302, 302, 429]
