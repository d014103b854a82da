"""Pages of other origins: let in if they are listed, letter for letter."""

import httpx
import pytest

from gateway_project.edge.cors import Cors
from tests.live import Gateway
from tests.server.conftest import LISTED

CORS = Cors([LISTED, "http://localhost:3000"])

TRICKS = [
    *("null", "", "*", "https://", "app.example.edu", "//app.example.edu", "https:app.example.edu"),
    *("http://app.example.edu", "ws://app.example.edu", "HTTPS://app.example.edu", "file://app.example.edu"),
    *("https://app.example.edu:443", "https://app.example.edu:8443", "https://app.example.edu:", "http://localhost"),
    *("http://localhost:30000", "http://localhost:3001", "http://127.0.0.1:3000", "https://localhost:3000"),
    *(
        "https://app.example.edu.evil.example",
        "https://app.example.education",
        "https://app.example.edu%2eevil.example",
    ),
    *("https://evilapp.example.edu", "https://evil-app.example.edu", "https://evil.example/app.example.edu"),
    *("https://sub.app.example.edu", "https://example.edu", "https://.app.example.edu", "https://app_example.edu"),
    *("https://APP.example.edu", "https://app.example.edu.", "https://app.example.edu/", "https://app.example.edu/x"),
    *("https://app.example.edu?x", "https://app.example.edu#x", "https://app.example.edu@evil.example"),
    *(
        "https://evil.example@app.example.edu",
        "https://app.example.edu https://evil.example",
        " https://app.example.edu",
    ),
    *(
        "https://app.example.edu,https://evil.example",
        "https://app.example.edu\\.evil.example",
        "https://аpp.example.edu",
    ),
    *("https://app.example.edu`.evil.example", "https://app.example.edu\x00"),
]


@pytest.mark.parametrize("origin", TRICKS, ids=ascii)
def test_an_origin_that_only_looks_like_a_listed_one_is_another(origin: str) -> None:
    assert CORS.headers([(b"origin", origin.encode())]) == {"vary": "Origin"}


def test_two_origins_are_none() -> None:
    assert CORS.headers([(b"origin", LISTED.encode())] * 2) == {"vary": "Origin"}


def test_a_listed_origin_may_read_everything() -> None:
    headers = CORS.headers([(b"origin", LISTED.encode())])

    assert headers["access-control-allow-origin"] == LISTED
    assert headers["access-control-expose-headers"] == "*"
    assert "access-control-allow-credentials" not in headers


def test_a_page_may_send_what_the_official_clients_send_and_nothing_else() -> None:
    asked = [
        (b"origin", LISTED.encode()),
        (b"access-control-request-method", b"POST"),
        (b"access-control-request-headers", b"authorization,content-type, X-Stainless-Lang,cookie,x-forwarded-for"),
    ]

    answer = CORS.preflight("OPTIONS", asked)

    assert answer is not None
    assert answer["access-control-allow-headers"] == "authorization, content-type, x-stainless-lang"
    assert answer["access-control-allow-methods"] == "GET, POST"


@pytest.mark.parametrize(
    ("method", "names"),
    [("GET", ["origin", "access-control-request-method"]), ("OPTIONS", ["origin"]), ("OPTIONS", [])],
)
def test_other_requests_are_no_preflights(method: str, names: list[str]) -> None:
    assert CORS.preflight(method, [(name.encode(), LISTED.encode()) for name in names]) is None


def test_nobody_is_let_in_unless_listed() -> None:
    headers = [(b"origin", b"null"), (b"access-control-request-method", b"POST")]

    assert Cors([]).headers(headers) == {}
    assert Cors([]).preflight("OPTIONS", headers) is None


def preflight(gateway: Gateway, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    return httpx.options(f"{gateway.base_url}/v1/chat/completions", headers=headers)


def test_a_preflight_needs_no_key(configured: Gateway) -> None:
    response = preflight(configured, LISTED)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["access-control-allow-origin"] == LISTED
    assert response.headers["access-control-allow-headers"] == "authorization"


def test_the_preflight_of_a_stranger_allows_nothing(configured: Gateway) -> None:
    response = preflight(configured, "https://evil.example")

    assert [name for name in response.headers if name.startswith("access-control")] == []
    assert response.headers["vary"] == "Origin"


def test_a_page_can_read_why_it_was_refused(configured: Gateway) -> None:
    response = httpx.get(f"{configured.base_url}/v1/models", headers={"origin": LISTED})

    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == LISTED


def test_pages_may_not_call_the_control_plane(configured: Gateway) -> None:
    response = httpx.get(f"{configured.base_url}/health/live", headers={"origin": LISTED})

    assert "access-control-allow-origin" not in response.headers


def test_it_is_off_by_default(gateway: Gateway) -> None:
    assert preflight(gateway, LISTED).status_code == 401
    assert "vary" not in httpx.get(f"{gateway.base_url}/v1/models", headers={"origin": LISTED}).headers
