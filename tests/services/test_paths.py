"""Addresses are passed on as they came, or refused."""

import pytest

from apps.common.errors import InvalidRequest
from apps.services.paths import changed_query, refuse_odd, rewritten

PASSED = [
    b"/svc/users", b"/svc/users/", b"/svc/users/a/b.json", b"/svc/users/.well-known/x", b"/svc/users/a..b/c...",
    b"/svc/users/...", b"/svc/users/a;v=1/b", b"/svc/users/a%20b", b"/svc/users/caf%C3%A9", b"/svc/users/100%25",
    b"/svc/users/a:b@c!$&'()*+,=~-_", b"/svc/users/a|b[1]", b"/svc/users/%3Fx%23y", b"/svc/users/%E2%80%A6",
]  # fmt: skip
REFUSED = [
    # Dots
    b"/svc/users/..", b"/svc/users/../admin", b"/svc/users/./a", b"/svc/users/.", b"/svc/../v1", b"/svc/users/..;/a",
    b"/svc/users/..;x=1/a", b"/svc/users/.;/a", b"/svc/users/..%3b/a", b"/svc/users/%2e%2e/a", b"/svc/users/%2E./a",
    b"/svc/users/.%2e/a", b"/svc/users/a%2ejson",
    # Slashes
    b"/svc/users/a%2fb", b"/svc/users/a%2Fb", b"/svc/users/..%2fadmin", b"/svc%2fusers/a", b"/svc/users//a",
    b"/svc//users", b"/svc/users//", b"//svc/users",
    # Backslashes
    b"/svc/users/a\\b", b"/svc/users/..\\a", b"/svc/users/a%5cb", b"/svc/users/..%5Cadmin",
    # Twice
    b"/svc/users/%252e%252e/a", b"/svc/users/a%252fb", b"/svc/users/a%255cb", b"/svc/users/a%252500",
    b"/svc/users/%2500", b"/svc/users/%25%32%65%25%32%65/a", b"/svc/users/a%25%32%66b", b"/svc/users/a%25%35Cb",
    b"/svc/users/%250d%250a",
    # Controls
    b"/svc/users/a%00", b"/svc/users/%0d%0aX: y", b"/svc/users/%0A", b"/svc/users/%09", b"/svc/users/%7f",
    b"/svc/users/\x00",
    b"/svc/users/a b", b"/svc/users/a\tb", b"/svc/users/%C2%85", b"/svc/users/%E2%80%A8",
    # Beyond ASCII
    b"/svc/users/\xe4", b"/svc/users/\xc3\xa4", b"/svc/users/caf%E9", b"/svc/users/%c0%af",
    b"/svc/users/%c0%ae%c0%ae/a",
    b"/svc/users/%e0%80%af", b"/svc/users/%f8%80%80%80%af", b"/svc/users/%ed%a0%80",
    # What looks like them
    b"/svc/users/%ef%bc%8fa", b"/svc/users/%ef%bc%8e%ef%bc%8e/a", b"/svc/users/%ef%bc%bca", b"/svc/users/%e2%88%95a",
    b"/svc/users/%e2%81%84a", b"/svc/users/%e2%80%a4%e2%80%a4/a", b"/svc/users/%e2%80%a5/a",
    # No codes
    b"/svc/users/%", b"/svc/users/%2", b"/svc/users/%zz", b"/svc/users/%u002e%u002e/a", b"/svc/users/%%32%65",
    # No path
    b"svc/users", b"*", b"%2fsvc/users",
]  # fmt: skip


@pytest.mark.parametrize("path", PASSED)
def test_an_address_that_can_be_read_in_one_way_is_passed_on(path: bytes) -> None:
    refuse_odd(path, b"")


@pytest.mark.parametrize("path", REFUSED)
def test_an_address_that_could_be_read_in_two_ways_is_refused(path: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        refuse_odd(path, b"")

    assert refusal.value.code == "ambiguous_address"


@pytest.mark.parametrize("query", [b"a=1&b=%2e%2e%2f&c=//x/../y", b"a=b+c&d", b"u=http://x/y?z", b"x={}|[]\\^"])
def test_a_query_may_say_anything_in_visible_characters(query: bytes) -> None:
    refuse_odd(b"/svc/users", query)


@pytest.mark.parametrize("query", [b"a=\xe4", b"a=\x00", b"a= b", b"a=\r\nX: y", b"\x7f"])
def test_a_query_has_nothing_else(query: bytes) -> None:
    with pytest.raises(InvalidRequest):
        refuse_odd(b"/svc/users", query)


def test_the_first_rewrite_that_fits_counts() -> None:
    rewrites = (("/v2/", "/api/v2/"), ("/v", "/old/v"), ("/v2/x", "/never"))

    assert [rewritten(path, rewrites) for path in ("/v2/x", "/v1", "/w")] == ["/api/v2/x", "/old/v1", "/w"]


@pytest.mark.parametrize(("path", "rewrite"), [("/files/a", ("/files", "/shared/")), ("/a", ("/", "/shared/"))])
def test_a_rewrite_doubles_no_slash(path: str, rewrite: tuple[str, str]) -> None:
    assert rewritten(path, [rewrite]) == "/shared/a"


@pytest.mark.parametrize("path", ["/files../secret", "/files..", "/files./a", "/files..;/a", "/files%2e/a"])
def test_a_rewrite_makes_no_dots(path: str) -> None:
    with pytest.raises(InvalidRequest):
        rewritten(path, [("/files", "/shared/")])


@pytest.mark.parametrize(
    ("query", "set_to", "remove", "changed"),
    [
        (b"a=1&b=2", {}, frozenset({"b"}), b"a=1"),
        (b"a=%31&&c", {}, frozenset({"b"}), b"a=%31&c"),
        (b"b=1&a=2&b=3&b", {}, frozenset({"b"}), b"a=2"),
        (b"%62=1&a=2", {}, frozenset({"b"}), b"a=2"),
        (b"x+y=1&x%20y=2", {}, frozenset({"x y"}), b""),
        (b"k=mine&a=2", {"k": "a b&c"}, frozenset(), b"a=2&k=a+b%26c"),
        (b"", {"k": "1"}, frozenset(), b"k=1"),
        (b"%ff=1", {}, frozenset({"b"}), b"%ff=1"),
    ],
)  # fmt: skip
def test_parameters_are_removed_and_set(
    query: bytes, set_to: dict[str, str], remove: frozenset[str], changed: bytes
) -> None:
    assert changed_query(query, set_to=set_to, remove=remove) == changed
