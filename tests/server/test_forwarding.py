import pytest

from gateway_project.edge.forwarding import Scope, TrustedProxies

TRUSTED = TrustedProxies(["10.0.0.0/8", "fd00::/8"])
Headers = list[tuple[str, str]]


def seen(peer: str | None, *headers: tuple[str, str], trusted: TrustedProxies = TRUSTED) -> Scope:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in (("host", "inside"), *headers)]
    client = (peer, 5000) if peer else None
    return trusted.seen_through({"client": client, "scheme": "http", "headers": pairs})


FOR = "x-forwarded-for"
CLIENTS: dict[str, tuple[str | None, Headers, str | None]] = {
    "nobody in between": ("1.1.1.1", [], "1.1.1.1"),
    "a stranger who claims to be a proxy": ("1.1.1.1", [(FOR, "2.2.2.2")], "1.1.1.1"),
    "a stranger who claims to come from a proxy": ("1.1.1.1", [(FOR, "10.0.0.1")], "1.1.1.1"),
    "one proxy": ("10.0.0.1", [(FOR, "2.2.2.2")], "2.2.2.2"),
    "two proxies": ("10.0.0.1", [(FOR, "2.2.2.2, 10.0.0.2")], "2.2.2.2"),
    "two proxies in two headers": ("10.0.0.1", [(FOR, "2.2.2.2"), (FOR, "10.0.0.2")], "2.2.2.2"),
    "a client that made something up": ("10.0.0.1", [(FOR, "9.9.9.9, 2.2.2.2")], "2.2.2.2"),
    "a client that made a header up": ("10.0.0.1", [(FOR, "9.9.9.9"), (FOR, "2.2.2.2, 10.0.0.2")], "2.2.2.2"),
    "a client that poses as a proxy": ("10.0.0.1", [(FOR, "9.9.9.9, 10.0.0.9, 2.2.2.2")], "2.2.2.2"),
    "proxies only": ("10.0.0.1", [(FOR, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
    "a proxy that says nothing": ("10.0.0.1", [("x-forwarded-proto", "https")], "10.0.0.1"),
    "an empty list": ("10.0.0.1", [(FOR, "")], "10.0.0.1"),
    "nonsense": ("10.0.0.1", [(FOR, "2.2.2.2, unknown")], "10.0.0.1"),
    "nonsense before a proxy": ("10.0.0.1", [(FOR, "<script>, 10.0.0.2")], "10.0.0.2"),
    "a port": ("10.0.0.1", [(FOR, "2.2.2.2:4711")], "2.2.2.2"),
    "IPv6": ("fd00::1", [(FOR, "2001:db8::1, fd00::2")], "2001:db8::1"),
    "IPv6 in brackets": ("fd00::1", [(FOR, "[2001:db8::1]:4711")], "2001:db8::1"),
    "IPv4 within IPv6": ("::ffff:10.0.0.1", [(FOR, "::ffff:2.2.2.2")], "2.2.2.2"),
    "Forwarded does not count": ("10.0.0.1", [("forwarded", "for=2.2.2.2")], "10.0.0.1"),
    "X-Real-IP does not count": ("10.0.0.1", [("x-real-ip", "2.2.2.2")], "10.0.0.1"),
    "an unknown peer": (None, [(FOR, "2.2.2.2")], None),
}


@pytest.mark.parametrize(("peer", "headers", "client"), CLIENTS.values(), ids=CLIENTS.keys())
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(
    peer: str | None, headers: Headers, client: str | None
) -> None:
    found = seen(peer, *headers)["client"]

    assert (found[0].removeprefix("::ffff:") if found else None) == client


@pytest.mark.parametrize("peer", ["1.1.1.1", "10.0.0.1"])
@pytest.mark.parametrize(
    "name",
    [FOR, "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-user", "forwarded", "x-real-ip"],
)
def test_nobody_behind_it_sees_what_proxies_say(peer: str, name: str) -> None:
    assert [header for header, _ in seen(peer, (name, "x"))["headers"]] == [b"host"]


HOSTS: dict[str, tuple[str, Headers, tuple[str, str]]] = {
    "a proxy with TLS": ("10.0.0.1", [("x-forwarded-proto", "https")], ("https", "inside")),
    "the last of several": ("10.0.0.1", [("x-forwarded-proto", "http, HTTPS")], ("https", "inside")),
    "no scheme of ours": ("10.0.0.1", [("x-forwarded-proto", "gopher")], ("http", "inside")),
    "a stranger": (
        "1.1.1.1",
        [("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")],
        ("http", "inside"),
    ),
    "a proxy with a name": ("10.0.0.1", [("x-forwarded-host", "stoa.example.edu")], ("http", "stoa.example.edu")),
    "a made-up name": (
        "10.0.0.1",
        [("x-forwarded-host", "evil.example, stoa.example.edu")],
        ("http", "stoa.example.edu"),
    ),
    "no name at all": ("10.0.0.1", [("x-forwarded-host", "a@b/c")], ("http", "inside")),
}


@pytest.mark.parametrize(("peer", "headers", "expected"), HOSTS.values(), ids=HOSTS.keys())
def test_scheme_and_host_come_from_a_trusted_proxy_only(peer: str, headers: Headers, expected: tuple[str, str]) -> None:
    scope = seen(peer, *headers)

    assert (scope["scheme"], dict(scope["headers"])[b"host"].decode()) == expected


def test_without_trusted_proxies_everybody_is_a_stranger() -> None:
    scope = seen("127.0.0.1", (FOR, "2.2.2.2"), trusted=TrustedProxies([]))

    assert (scope["client"][0], scope["headers"]) == ("127.0.0.1", [(b"host", b"inside")])
