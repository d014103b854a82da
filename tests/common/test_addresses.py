"""The address guard: what counts as public, and which base URLs we store."""

import socket

import pytest

from apps.common.addresses import ForbiddenAddress, check_url, is_public, public_socket

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"]
NOT_PUBLIC = {
    "loopback": "127.0.0.1",
    "loopback, far end": "127.255.255.254",
    "loopback, IPv6": "::1",
    "unspecified": "0.0.0.0",
    "this network": "0.1.2.3",
    "unspecified, IPv6": "::",
    "private 10": "10.0.0.1",
    "private 172.16": "172.16.0.1",
    "private 172.31": "172.31.255.255",
    "private 192.168": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "carrier-grade NAT, far end": "100.127.255.254",
    "link-local": "169.254.1.1",
    "cloud metadata": "169.254.169.254",
    "cloud metadata, IPv6": "fd00:ec2::254",
    "Alibaba metadata": "100.100.100.200",
    "unique local": "fc00::1",
    "link-local, IPv6": "fe80::1",
    "link-local with zone": "fe80::1%eth0",
    "multicast": "224.0.0.1",
    "multicast, global scope": "233.252.0.1",
    "multicast, IPv6": "ff02::1",
    "multicast, IPv6 global scope": "ff0e::1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "documentation": "192.0.2.1",
    "documentation, IPv6": "2001:db8::1",
    "benchmarking": "198.18.0.1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped private, in hexadecimal": "::ffff:a00:1",
    "mapped metadata": "::ffff:169.254.169.254",
    "6to4 of private": "2002:a00:1::1",
    "6to4 of loopback": "2002:7f00:1::1",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "NAT64 of metadata": "64:ff9b::a9fe:a9fe",
    "Teredo to private": "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "discard": "100::1",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_connected_to(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC.keys())
def test_an_inner_address_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_no_socket_is_made_for_an_inner_address() -> None:
    with pytest.raises(ForbiddenAddress):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))


def test_a_socket_for_a_public_address_does_not_block() -> None:
    with public_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("8.8.8.8", 443))) as opened:
        assert not opened.getblocking()


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("http://127.0.0.1:9100/v1", "http://127.0.0.1:9100/v1"),
        ("http://[::1]:9100", "http://[::1]:9100"),
    ],
)
def test_a_good_base_url_is_stored_without_a_slash_at_the_end(url: str, stored: str) -> None:
    assert check_url(url) == stored


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "must start with https:// or http://"),
        ("api.example.com/v1", "must start with https:// or http://"),
        ("ftp://api.example.com", "must start with https:// or http://"),
        ("file:///etc/passwd", "must start with https:// or http://"),
        ("https://", "names no host"),
        ("https:///v1", "names no host"),
        ("https://user:password@api.example.com", "must not contain a user name or password"),
        ("https://user@api.example.com", "must not contain a user name or password"),
        ("https://api.example.com/v1?x=1", "must not contain '?' or '#'"),
        ("https://api.example.com/v1#x", "must not contain '?' or '#'"),
        ("https://api.example.com/a b", "spaces or control characters"),
        ("https://api.example.com/\x00", "spaces or control characters"),
        ("https://api.example.com/a\nb", "spaces or control characters"),
        ("https://api.example.com:99999", "out of range"),
        ("https://[::1", "Invalid IPv6"),
    ],
)
def test_a_bad_base_url_is_explained(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("?", r"\?")):
        check_url(url)


@pytest.mark.parametrize("address", ["fec0::1", "64:ff9b:1::a00:1", "::127.0.0.1", "::10.0.0.1"])
def test_a_range_that_is_not_routed_is_not_public(address: str) -> None:
    assert not is_public(address)
