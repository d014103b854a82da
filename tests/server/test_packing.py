"""Answers of the control plane are compressed, where their length gives no secret away."""

import gzip
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory

from gateway_project.edge.packing import LEAST, PackingMiddleware, accepts_gzip
from tests import factories

LONG = b"All work and no play. " * 100
GZIP = {"accept-encoding": "gzip, deflate, br"}
BEARER = {**GZIP, "authorization": "Bearer stoa_stf_x"}


def packed(response: Any, *, path: str = "/admin/", method: str = "GET", headers: dict[str, str] | None = None) -> Any:
    request = RequestFactory().generic(method, path, headers=GZIP if headers is None else headers)
    return PackingMiddleware(lambda _: response)(request)


def is_packed(response: Any, **request: Any) -> bool:
    return packed(response, **request).headers.get("content-encoding") == "gzip"


def test_a_long_text_is_compressed_and_can_be_read() -> None:
    answer = packed(HttpResponse(LONG, headers={"etag": '"1"'}))

    assert gzip.decompress(answer.content) == LONG
    assert answer.headers["content-length"] == str(len(answer.content)) and len(answer.content) < len(LONG) / 5
    assert (answer.headers["vary"], answer.headers["etag"]) == ("Accept-Encoding", 'W/"1"')


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (HttpResponse(b"a" * LEAST), True),
        (HttpResponse(b"a" * (LEAST - 1)), False),
        (HttpResponse(LONG, content_type="application/json"), True),
        (HttpResponse(LONG, content_type="image/png"), False),
        (HttpResponse(LONG, headers={"content-encoding": "br"}), False),
        (HttpResponse(LONG, status=404), False),
        (StreamingHttpResponse([LONG]), False),
    ],
    ids=["1,000 bytes", "999 bytes", "JSON", "an image", "compressed already", "a page of an error", "a stream"],
)
def test_what_is_compressed(response: Any, expected: bool) -> None:
    assert is_packed(response) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"path": "/admin/?q=guess"}, False),
        ({"method": "POST"}, False),
        ({"path": "/api/staff/calls?limit=100", "headers": BEARER}, True),
        ({"headers": {"accept-encoding": "br"}}, False),
        ({"headers": {}}, False),
    ],
    ids=["a query", "a form", "a query with a key", "no gzip", "nothing said"],
)
def test_where_it_is_compressed(request_: dict[str, Any], expected: bool) -> None:
    assert is_packed(HttpResponse(LONG), **request_) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [("gzip", True), ("GZIP;q=0.5", True), ("gzip;q=0", False), ("*", True), ("*;q=0", False), ("gzip;q=x", False)],
)
def test_what_a_client_says_of_gzip_counts(header: str, expected: bool) -> None:
    assert accepts_gzip(header) is expected


def test_a_page_of_the_admin_is_compressed_but_no_search_in_it(db: None) -> None:
    client = Client(headers=GZIP)
    client.force_login(factories.make_operator())

    plain = client.get("/admin/help/")
    searched = client.get("/admin/accounts/course/", {"q": "guess"})

    assert plain.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in searched.headers
