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


# What clients add in a browser, beside content-type. Only Chromium keeps user-agent out of the preflight.
CLIENTS = {
    "openai-node in Firefox": "authorization,user-agent,x-stainless-arch,x-stainless-lang,x-stainless-retry-count",
    "openai-node with an organisation": "authorization,openai-organization,openai-project,openai-beta",
    "AzureOpenAI": "api-key,x-ms-client-request-id",
    "anthropic-sdk": "x-api-key,anthropic-version,anthropic-beta,anthropic-dangerous-direct-browser-access",
    "a page of OpenRouter's": "authorization,http-referer,x-title",
    "one that is traced": "authorization,traceparent,tracestate,baggage,sentry-trace",
    "one that names its work": "authorization,idempotency-key,x-assignment,x-client-request-id",
    "fetch-event-source": "authorization,accept,cache-control,last-event-id,x-requested-with",
}


def asked_for(*names: str) -> str | None:
    asked = [(b"access-control-request-headers", name.encode()) for name in names]
    answer = CORS.preflight(
        "OPTIONS", [(b"origin", LISTED.encode()), (b"access-control-request-method", b"POST"), *asked]
    )
    assert answer is not None
    assert answer["access-control-allow-methods"] == "GET, HEAD, POST"
    return answer["access-control-allow-headers"]


@pytest.mark.parametrize("names", CLIENTS.values(), ids=CLIENTS.keys())
def test_a_page_may_send_what_clients_send(names: str) -> None:
    assert asked_for(f"content-type,{names}") == f"content-type, {names.replace(',', ', ')}"


def test_names_are_read_in_any_case_with_spaces_and_over_several_headers() -> None:
    assert asked_for("Authorization , X-Stainless-Lang", "user-agent") == "authorization, x-stainless-lang, user-agent"


@pytest.mark.parametrize(
    "name",
    [
        "cookie",
        "Cookie2",
        "x-forwarded-for",
        "X-Forwarded-Proto",
        "forwarded",
        "x-real-ip",
        "",
        "a b",
        "a:b",
        "a\r\nb",
        "é",
    ],
)
def test_nobody_may_send_cookies_or_name_the_client_or_what_is_no_name(name: str) -> None:
    assert asked_for(f"authorization,{name}") == "authorization"


def test_what_a_preflight_asks_for_is_bounded() -> None:
    assert len((asked_for(",".join(["x" * 100] * 5_000)) or "").split(", ")) == 100
    assert asked_for("x" * 101) == ""


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
