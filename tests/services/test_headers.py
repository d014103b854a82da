"""What of a request reaches a service, and what of its answer reaches the caller."""

from typing import Any

import pytest

from apps.common.errors import UpstreamFailed
from apps.services.headers import outgoing, returned
from apps.services.hops import refuse_loops, via
from apps.services.registry import Endpoint, Transformation
from tests.services.arrivals import ENDPOINT, make_arrival, make_entry

Pairs = list[tuple[bytes, bytes]]
HOST = (b"host", b"stoa.example.edu")
OURS = {
    b"via", b"forwarded", b"x-forwarded-proto", b"x-request-id", b"x-forwarded-for", b"x-forwarded-host",
    b"x-forwarded-prefix", b"traceparent",
}  # fmt: skip


def sent(*headers: tuple[bytes, bytes], **changes: Any) -> Pairs:
    return outgoing(make_arrival(headers=[HOST, *headers], **changes), ENDPOINT)[1]


def passed_on(*headers: tuple[bytes, bytes]) -> Pairs:
    return [pair for pair in sent(*headers) if pair[0] not in OURS]


GONE = [
    # For one hop
    (b"connection", b"close"), (b"proxy-connection", b"keep-alive"), (b"keep-alive", b"timeout=5"),
    (b"te", b"trailers"),
    (b"trailer", b"x-sum"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"websocket"),
    (b"http2-settings", b"AAMA"),
    (b"proxy-authorization", b"Basic eDp5"), (b"proxy-authenticate", b"Basic"), (b"expect", b"100-continue"),
    (b"content-length", b"3"),
    # Keys
    (b"authorization", b"Bearer stoa_sk_x"), (b"authorization", b"Basic eDp5"), (b"x-api-key", b"stoa_sk_x"),
    (b"api-key", b"stoa_sk_x"),
    # Who asks
    (b"x-stoa-identity", b"forged"), (b"x-stoa-anything", b"forged"), (b"x_stoa_identity", b"forged"),
    (b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-user", b"root"),
    (b"x-forwarded", b"6.6.6.6"), (b"forwarded-for", b"6.6.6.6"), (b"wl-proxy-client-ip", b"6.6.6.6"),
    (b"x.stoa.identity", b"forged"), (b"x!forwarded!for", b"6.6.6.6"),
    (b"x-forwarded-client-cert", b"x"), (b"x_forwarded_for", b"6.6.6.6"), (b"x-real-ip", b"6.6.6.6"),
    (b"true-client-ip", b"6.6.6.6"), (b"remote-user", b"root"), (b"remote_user", b"root"),
    (b"x-remote-user", b"root"),
    (b"x-auth-request-email", b"root@x"), (b"x-consumer-username", b"root"), (b"x-webauth-user", b"root"),
    (b"ssl-client-verify", b"SUCCESS"), (b"x-amzn-oidc-identity", b"root"),
    (b"x-goog-authenticated-user-email", b"r"),
    # What for
    (b"x-original-url", b"/admin"), (b"x-rewrite-url", b"/admin"), (b"x-original-host", b"evil"),
    (b"proxy", b"http://evil"),
    # Our own
    (b"x-request-id", b"forged"), (b"traceparent", b"00-x"), (b"tracestate", b"a=b"),
]  # fmt: skip
KEPT = [
    (b"accept", b"*/*"), (b"accept-encoding", b"gzip, br"), (b"range", b"bytes=0-9"),
    (b"content-type", b"text/plain"),
    (b"content-encoding", b"gzip"), (b"if-none-match", b'"x"'), (b"user-agent", b"curl"), (b"x-anything", b"\xe4"),
    (b"idempotency-key", b"1"), (b"origin", b"https://a"), (b"baggage", b"a=b"), (b"cookie", b"theme=dark"),
]  # fmt: skip


@pytest.mark.parametrize("header", GONE)
def test_what_is_for_us_or_forged_does_not_reach_a_service(header: tuple[bytes, bytes]) -> None:
    assert header not in sent(header)
    assert passed_on(header, (b"accept", b"*/*")) == [(b"accept", b"*/*")]


@pytest.mark.parametrize("header", KEPT)
def test_all_else_does(header: tuple[bytes, bytes]) -> None:
    assert passed_on(header) == [header]


def test_duplicates_stay_in_order() -> None:
    headers = [(b"accept", b"a"), (b"x", b"1"), (b"accept", b"b"), (b"x", b"2")]

    assert passed_on(*headers) == headers


def test_what_connection_names_is_for_one_hop() -> None:
    assert passed_on((b"connection", b"close, X-A"), (b"x-a", b"1"), (b"x-b", b"2")) == [(b"x-b", b"2")]


@pytest.mark.parametrize(
    ("cookie", "left"),
    [
        (b"sessionid=s; theme=dark; csrftoken=c", [(b"cookie", b"theme=dark")]),
        (b"sessionid=s", []),
        (b" SESSIONID =s; a=b", [(b"cookie", b"a=b")]),
        (b"a=b;messages=m;stoa_known=k;c=d", [(b"cookie", b"a=b;c=d")]),
        (b"a=sessionid; xsessionid=1", [(b"cookie", b"a=sessionid; xsessionid=1")]),
    ],
)
def test_our_cookies_are_not_passed_on(cookie: bytes, left: Pairs) -> None:
    assert passed_on((b"cookie", cookie)) == left


def test_a_service_learns_where_a_request_comes_from() -> None:
    told = dict(sent((b"x-forwarded-for", b"6.6.6.6")))

    assert told[b"x-forwarded-for"] == b"192.0.2.1"
    assert told[b"x-forwarded-proto"] == b"https"
    assert told[b"x-forwarded-host"] == b"stoa.example.edu"
    assert told[b"x-forwarded-prefix"] == b"/svc/users"
    assert told[b"forwarded"] == b'for=192.0.2.1;proto=https;host="stoa.example.edu"'
    assert told[b"x-request-id"] == b"req_1"
    assert told[b"traceparent"].startswith(b"00-" + b"0" * 31 + b"1-")


def test_an_ipv6_address_stands_in_brackets_in_forwarded() -> None:
    told = dict(sent(address="2001:db8::1"))

    assert told[b"x-forwarded-for"] == b"2001:db8::1"
    assert told[b"forwarded"].startswith(b'for="[2001:db8::1]";')


def test_more_replaces_what_is_there() -> None:
    arrival = make_arrival(headers=[HOST, (b"x-a", b"1")])

    pairs = outgoing(arrival, ENDPOINT, more=[(b"x-stoa-identity", b"token"), (b"x-a", b"2")])[1]

    assert [pair for pair in pairs if pair[0] not in OURS] == [(b"x-stoa-identity", b"token"), (b"x-a", b"2")]


def test_headers_are_set_and_removed_by_declaration() -> None:
    change = Transformation(
        set_request={"authorization": "Basic c2VjcmV0", "x-a": "ä"},
        remove_request=frozenset({"user-agent", "x-forwarded-for"}),
    )

    pairs = sent((b"user-agent", b"x"), (b"x-a", b"1"), (b"x-b", b"2"), entry=make_entry(transformation=change))

    assert [pair for pair in pairs if pair[0] not in OURS] == [
        (b"x-b", b"2"),
        (b"authorization", b"Basic c2VjcmV0"),
        (b"x-a", "ä".encode()),
    ]
    assert b"x-forwarded-for" not in dict(pairs)


TARGETS = [
    # rest, query, the path of the instance, transformation, target
    ("", b"", "", {}, b"/"),
    ("/", b"", "", {}, b"/"),
    ("/a/b", b"x=1&y=%2f", "", {}, b"/a/b?x=1&y=%2f"),
    ("/a%20b;c", b"", "/api", {}, b"/api/a%20b;c"),
    ("", b"", "/api", {}, b"/api/"),
    ("/a", b"", "/api", {"strips_prefix": False}, b"/api/svc/users/a"),
    ("", b"", "", {"strips_prefix": False}, b"/svc/users"),
    ("/v2/a", b"", "/x", {"rewrites": (("/v2/", "/api/v2/"),)}, b"/x/api/v2/a"),
    ("/a", b"k=1&z=2", "", {"set_query": {"k": "secret"}}, b"/a?z=2&k=secret"),
    ("/a", b"k=1", "", {"remove_query": frozenset({"k"})}, b"/a"),
]


@pytest.mark.parametrize(("rest", "query", "path", "change", "target"), TARGETS)
def test_the_target_is_the_address_behind_the_prefix(
    rest: str, query: bytes, path: str, change: dict[str, object], target: bytes
) -> None:
    entry = make_entry(transformation=Transformation(**change))  # type: ignore[arg-type]

    arrival = make_arrival(rest=rest, query=query, entry=entry)

    assert outgoing(arrival, Endpoint(id=1, url=f"http://x{path}", path=path))[0] == target


def given_back(*pairs: tuple[bytes, bytes], **changes: Any) -> Pairs:
    entry = make_entry(**changes)
    ours = {(b"via", via(7)), (b"content-security-policy", b"sandbox")}
    return [pair for pair in returned(entry, pairs) if pair not in ours]


NOT_RETURNED = [
    (b"connection", b"close"), (b"keep-alive", b"timeout=5"), (b"transfer-encoding", b"chunked"),
    (b"upgrade", b"h2c"),
    (b"trailer", b"x"), (b"te", b"x"), (b"proxy-authenticate", b"Basic"), (b"server", b"x/1.0"), (b"date", b"x"),
    (b"x-request-id", b"x"), (b"x-stoa-instance", b"x"), (b"x_stoa_instance", b"x"), (b"x-gateway-attempts", b"9"),
    (b"strict-transport-security", b"max-age=1"), (b"clear-site-data", b'"*"'), (b"service-worker-allowed", b"/"),
    (b"alt-svc", b'h3=":443"'), (b"nel", b"{}"), (b"report-to", b"{}"), (b"x-accel-redirect", b"/etc/passwd"),
    (b"x-sendfile", b"/etc/passwd"), (b"x-a", b"a\x01b"), (b"x-a", b"a\r\nx: y"), (b"x-a", b"\x00"),
]  # fmt: skip
RETURNED = [
    (b"content-type", b"text/html"), (b"content-length", b"5"), (b"etag", b'"x"'), (b"content-range", b"bytes 0-1/2"),
    (b"content-encoding", b"br"), (b"www-authenticate", b"Basic"), (b"retry-after", b"3"),
    (b"x-anything", b"\xe4\tb"),
    (b"cache-control", b"public"), (b"access-control-allow-origin", b"*"), (b"location", b"https://elsewhere/x"),
    (b"location", b"/a"), (b"location", b"http://10.0.0.5:80801/a"), (b"x-accel-buffering", b"no"),
    (b"content-security-policy", b"default-src 'self'"),
]  # fmt: skip


@pytest.mark.parametrize("header", NOT_RETURNED)
def test_what_speaks_for_the_origin_or_for_one_hop_is_not_returned(header: tuple[bytes, bytes]) -> None:
    assert given_back(header, (b"x-b", b"1")) == [(b"x-b", b"1")]


@pytest.mark.parametrize("header", RETURNED)
def test_all_else_is_returned(header: tuple[bytes, bytes]) -> None:
    assert given_back(header) == [header]


def test_pages_of_a_service_run_in_a_sandbox() -> None:
    assert (b"content-security-policy", b"sandbox") in returned(make_entry(), [(b"content-type", b"text/html")])


def test_an_operator_may_declare_another_policy() -> None:
    change = Transformation(set_response={"content-security-policy": "sandbox allow-scripts"})

    pairs = returned(make_entry(transformation=change), [(b"content-security-policy", b"default-src *")])

    assert [value for name, value in pairs if name == b"content-security-policy"] == [b"sandbox allow-scripts"]


def test_nobody_takes_the_sandbox_away() -> None:
    change = Transformation(remove_response=frozenset({"content-security-policy", "x-a"}))
    sent_by_service = [(b"content-security-policy", b"x"), (b"x-a", b"1"), (b"connection", b"content-security-policy")]

    pairs = returned(make_entry(transformation=change), sent_by_service)

    assert pairs == [(b"content-security-policy", b"sandbox"), (b"via", via(7))]


def test_cors_is_ours_where_origins_are_declared() -> None:
    header = (b"access-control-allow-origin", b"*")

    assert given_back(header, cors_origins=frozenset({"https://app.example.edu"})) == []


def test_more_replaces_what_the_service_says() -> None:
    pairs = returned(make_entry(), [(b"ratelimit", b"theirs")], more=[(b"ratelimit", b"ours")])

    assert [value for name, value in pairs if name == b"ratelimit"] == [b"ours"]


COOKIES = [
    (b"a=b", b"a=b; Path=/svc/users"),
    (b"a=b; Path=/; HttpOnly", b"a=b; HttpOnly; Path=/svc/users"),
    (b"a=b; path=/login; Secure", b"a=b; Secure; Path=/svc/users/login"),
    (b"a=b; Path=/svc/users/x", b"a=b; Path=/svc/users/x"),
    (b"a=b; Path=/svc/users2", b"a=b; Path=/svc/users/svc/users2"),
    (b"a=b; Path=/x; Path=/", b"a=b; Path=/svc/users"),
    (b"a=; Max-Age=0", b"a=; Max-Age=0; Path=/svc/users"),
    (b"sessionid=evil", None),
    (b" SessionID =evil; Path=/", None),
    (b"csrftoken=evil", None),
    (b"stoa_known=evil", None),
    (b"=sessionid=evil", None),
    (b"sessionid", None),
    (b"__Host-a=b; Path=/; Secure", None),
    (b"", None),
]


@pytest.mark.parametrize(("cookie", "seen"), COOKIES)
def test_a_service_sets_cookies_for_itself_alone(cookie: bytes, seen: bytes | None) -> None:
    assert given_back((b"set-cookie", cookie)) == ([(b"set-cookie", seen)] if seen else [])


@pytest.mark.parametrize(
    ("place", "seen"),
    [
        (b"http://10.0.0.5:8080/users/", b"/svc/users/users/"),
        (b"http://10.0.0.5:8080", b"/svc/users"),
        (b"http://10.0.0.5:8080?a", b"/svc/users?a"),
    ],
)
def test_a_place_at_an_instance_is_named_as_callers_reach_it(place: bytes, seen: bytes) -> None:
    assert given_back((b"location", place)) == [(b"location", seen)]


@pytest.mark.parametrize("forms", [b"%b", b"1.1 a, %b (x), 1.0 b", b"HTTP/1.1 a,%b", b"1.0 fred, %b"])
def test_a_request_that_comes_back_is_refused(forms: bytes) -> None:
    with pytest.raises(UpstreamFailed) as refusal:
        refuse_loops(7, [(b"via", forms % via(7))])

    assert (refusal.value.code, refusal.value.status) == ("loop", 508)


def test_a_request_may_pass_through_others() -> None:
    refuse_loops(7, [(b"via", b"1.1 nginx, " + via(8)), (b"via", via(77)), (b"x", via(7))])
