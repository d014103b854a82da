"""What operators may declare about a service, field by field. Each refusal is a sentence."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.services import validation
from apps.services.addresses import checked_address, is_private

HEADERS, REMOVED = validation.validate_request_headers, validation.validate_removed_request_headers
ANSWERS = validation.validate_response_headers


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (validation.validate_prefix, "users"),
        (validation.validate_prefix, "library/search/v2"),
        (validation.validate_callers, ["student", "anonymous"]),
        (validation.validate_tags, ["people", "on campus"]),
        (validation.validate_docs_url, ""),
        (validation.validate_docs_url, "https://docs.example.edu/users"),
        (validation.validate_origins, ["https://app.example.edu", "http://localhost:3000", "http://[::1]:8080"]),
        (validation.validate_path, ""),
        (validation.validate_path, "/health?deep=1"),
        (validation.validate_statuses, "200-299,401"),
        (validation.validate_retry_statuses, [429, 502, 599]),
        (validation.validate_rewrites, [{"from": "/v2/", "to": "/api/v2/"}]),
        (validation.validate_route_limits, [{"methods": ["POST"], "path": "/reports", "requests_per_minute": 10}]),
        (validation.validate_route_limits, [{"burst": 2}]),
        (HEADERS, {"Host": "users.internal"}),
        (ANSWERS, {"Content-Security-Policy": "default-src 'self'"}),
        (HEADERS, {"Authorization": "Bearer of-the-service", "X-Team": "physics"}),
        (REMOVED, ["Accept-Language"]),
        (ANSWERS, {"Cache-Control": "no-store"}),
        (validation.validate_removed_response_headers, ["X-Powered-By"]),
        (validation.validate_query, {"api_key": "a b&c"}),
        (validation.validate_query_names, ["debug"]),
    ],
)
def test_what_is_right_passes(check: Any, good: Any) -> None:
    check(good)


@pytest.mark.parametrize(
    ("check", "bad", "says"),
    [
        (validation.validate_prefix, "", "one to three words"),
        (validation.validate_prefix, "Users", "small letters"),
        (validation.validate_prefix, "a/b/c/d", "one to three words"),
        (validation.validate_prefix, "a//b", "one to three words"),
        (validation.validate_prefix, "a/../b", "one to three words"),
        (validation.validate_prefix, "users/", "one to three words"),
        (validation.validate_prefix, "batch", "reserved"),
        (validation.validate_prefix, "batch/jobs", "reserved"),
        (validation.validate_docs_url, "https://[docs", "no address"),
        (validation.validate_docs_url, "https:", "must start with"),
        (validation.validate_callers, [], "one or more"),
        (validation.validate_callers, ["everybody"], "one or more"),
        (validation.validate_callers, [["student"]], "one or more"),
        (validation.validate_callers, "student", "one or more"),
        (validation.validate_tags, ["x" * 41], "is no tag"),
        (validation.validate_tags, ["a\nb"], "is no tag"),
        (validation.validate_tags, "people", "Write a list"),
        (validation.validate_docs_url, "javascript:alert(1)", "https://"),
        (validation.validate_origins, ["*"], "is no origin"),
        (validation.validate_origins, ["https://app.example.edu/"], "is no origin"),
        (validation.validate_origins, ["https://App.example.edu"], "is no origin"),
        (validation.validate_origins, ["https://app.example.edu:99999"], "is no origin"),
        (validation.validate_origins, ["null"], "is no origin"),
        (validation.validate_origins, ["https://a.example", "https://a.example"], "twice"),
        (validation.validate_path, "health", "begins with a slash"),
        (validation.validate_path, "//evil.example", "begins with a slash"),
        (validation.validate_path, "/he alth", "without spaces"),
        (validation.validate_path, "/health\r\nx: y", "without spaces"),
        (validation.validate_statuses, "", "ranges"),
        (validation.validate_statuses, "2xx", "ranges"),
        (validation.validate_statuses, "299-200", "ends before it begins"),
        (validation.validate_retry_statuses, [200], "no answer to retry"),
        (validation.validate_retry_statuses, [404], "no answer to retry"),
        (validation.validate_retry_statuses, [True], "no answer to retry"),
        (validation.validate_retry_statuses, ["502"], "no answer to retry"),
        (validation.validate_retry_statuses, {}, "List statuses"),
        (validation.validate_rewrites, [{"from": "/a"}], "from” and “to"),
        (validation.validate_rewrites, [{"from": "a", "to": "/b"}], "no beginning of a path"),
        (validation.validate_rewrites, [{"from": "/a", "to": "//b"}], "no beginning of a path"),
        (validation.validate_rewrites, [{"from": "/a", "to": "/b/../c"}], "no beginning of a path"),
        (validation.validate_rewrites, [{"from": "/a", "to": "/b/%2E%2e/c"}], "no beginning of a path"),
        (validation.validate_rewrites, [{"from": "/a", "to": "/b?x=1"}], "no beginning of a path"),
        (validation.validate_rewrites, [{"from": "/a", "to": 1}], "no beginning of a path"),
        (validation.validate_rewrites, [{"from": "/a", "to": "/b"}, {"from": "/a", "to": "/c"}], "begin alike"),
        (validation.validate_route_limits, [{"path": "/a"}], "needs requests_per_minute or burst"),
        (validation.validate_route_limits, [{"requests_per_minute": 0}], "whole number from 1"),
        (validation.validate_route_limits, [{"requests_per_minute": True}], "whole number from 1"),
        (validation.validate_route_limits, [{"methods": ["post"], "burst": 1}], "in capitals"),
        (validation.validate_route_limits, [{"methods": "POST", "burst": 1}], "in capitals"),
        (validation.validate_route_limits, [{"verbs": ["POST"], "burst": 1}], "has methods, path"),
        (HEADERS, {"Bad Name": "x"}, "cannot be the name of a header"),
        (HEADERS, {"X-A": "x\r\nX-B: y"}, "one line of printable ASCII"),
        (HEADERS, {"X-A": ""}, "one line of printable ASCII"),
        (HEADERS, {"X-A": 1}, "one line of printable ASCII"),
        (HEADERS, {"X-A": "1", "x-a": "2"}, "twice"),
        (HEADERS, {"Expect": "100-continue"}, "Stoa decides it"),
        (HEADERS, {"Transfer-Encoding": "chunked"}, "Stoa decides it"),
        (HEADERS, {"X-Forwarded-For": "127.0.0.1"}, "Stoa decides it"),
        (HEADERS, {"X-Stoa-Identity": "forged"}, "Stoa decides it"),
        (HEADERS, ["X-A"], "names with their values"),
        (REMOVED, ["Content-Length"], "Stoa decides it"),
        (ANSWERS, {"Set-Cookie": "sessionid=1"}, "Stoa decides it"),
        (ANSWERS, {"Access-Control-Allow-Origin": "*"}, "Stoa decides it"),
        (validation.validate_query, {"a=b": "c"}, "name of a parameter"),
        (validation.validate_query, {"a": "b\nc"}, "one line"),
        (validation.validate_query_names, [""], "name of a parameter"),
        (validation.validate_query_names, ["x"] * 51, "At most 50"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(check: Any, bad: Any, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        check(bad)

    assert says in refused.value.messages[0]


def test_no_sentence_quotes_a_value_that_may_be_secret() -> None:
    for check in (HEADERS, validation.validate_query):
        with pytest.raises(ValidationError) as refused:
            check({"x-key": "the-secret\n"})

        assert "the-secret" not in refused.value.messages[0]


# Addresses

PRIVATE = [
    "localhost", "users.localhost", "printer.local", "metadata.google.internal", "127.0.0.1", "10.1.2.3",
    "169.254.169.254", "2130706433", "0x7f.1", "017700000001", "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_host_is_seen_in_every_spelling(host: str) -> None:
    url = f"http://[{host}]:8080" if ":" in host else f"http://{host}:8080"

    with pytest.raises(ValueError, match="not on the public internet"):
        checked_address(url, allow_private=False)

    assert checked_address(url, allow_private=True) == url


def test_a_public_host_is_not_private() -> None:
    assert not any(map(is_private, ("users.example.edu", "93.184.216.34", "2606:2800:220:1::1")))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://users.example.edu", "https:// or http://"),
        ("https://", "names no host"),
        ("https://a:b@users.example.edu", "user name or password"),
        ("https://users.example.edu/?a", "must not contain"),
        ("https://users.example.edu:99999", "out of range"),
        ("https://üsers.example.edu", "ASCII"),
        ("https://users.example.edu/ä", "ASCII"),
        ("https://users example.edu", "spaces"),
        ("https://users.example.edu/a\\b", "backslashes"),
        ("https://users.example.edu/a/../b", "dots alone"),
        ("https://users.example.edu/%2e%2E", "dots alone"),
        ("https://us*ers.example.edu", "letters, digits, dots"),
    ],
)
def test_a_wrong_address_is_told_in_a_sentence(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked_address(url, allow_private=True)


# Beside others, and of several fields

OTHERS = {"users": "users", "search": "library/search"}


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        ("users", "has this address already"),
        ("users/admin", "is a part of /svc/users"),
        ("library", "is a part of this address"),
        ("library/search/deep", "is a part of /svc/library/search"),
        ("library/loans", ""),
        ("user", ""),
        ("users2", ""),
    ],
)
def test_a_prefix_that_shadows_another_is_refused(prefix: str, says: str) -> None:
    told = validation.shadowed(prefix, OTHERS)

    assert says in told and bool(told) == bool(says)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"breaker_pause_seconds": 20.0, "breaker_longest_seconds": 10.0}, "breaker_pause_seconds"),
        ({"connect_timeout_seconds": 5.0, "total_timeout_seconds": 2.0}, "connect_timeout_seconds"),
        ({"first_byte_timeout_seconds": 5.0, "total_timeout_seconds": 2.0}, "first_byte_timeout_seconds"),
        ({"max_keepalive_connections": 5, "max_connections": 2}, "max_keepalive_connections"),
        ({"burst": 5, "requests_per_minute": 2}, "burst"),
        ({"user_burst": 5, "user_requests_per_minute": 2}, "user_burst"),
        ({"address_burst": 5, "address_requests_per_minute": 2}, "address_burst"),
        ({"set_query": {"A": "b"}, "remove_query": ["a"]}, "remove_query"),
        ({"set_request_headers": {"A": "b"}, "remove_request_headers": ["a"]}, "remove_request_headers"),
        ({"set_response_headers": {"A": "b"}, "remove_response_headers": ["a"]}, "remove_response_headers"),
        ({"burst": 5}, ""),
    ],
)
def test_fields_that_contradict_each_other_are_named(fields: dict[str, Any], field: str) -> None:
    names = [name for low, high, _ in validation.ORDERED for name in (low, high)]
    empty = dict.fromkeys((*names, "set_query", "remove_query", "set_request_headers", "remove_request_headers"))
    service = SimpleNamespace(**{**empty, "set_response_headers": {}, "remove_response_headers": [], **fields})

    assert list(validation.complaints(service)) == ([field] if field else [])
