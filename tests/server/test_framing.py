"""Where a request ends and whose it is: read in one way, or refused with the connection closed.

Each case is put to a running server as bytes. Most of them its parser refuses; that it goes on doing so is tested here.
"""

import pytest

from gateway_project.edge.framing import checked, without_offer
from tests.live import Gateway
from tests.server.raw import answer, status

POST = b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
CANARY = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

REFUSED: dict[str, bytes] = {
    # Lengths
    "two lengths that differ": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "the same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "two lengths in one": POST + b"Content-Length: 2 2\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length with an underscore": POST + b"Content-Length: 2_0\r\n\r\n{}",
    "a length that is blank": POST + b"Content-Length: \r\n\r\n",
    "a length that overflows": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "a length on a folded line": POST + b"Content-Length:\r\n 2\r\n\r\n{}",
    "a length, then chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks, then a length": CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n",
    "a length behind the chunks": CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
    # Codings
    "chunked twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked, but not at the end": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "compressed and chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "the identity": POST + b"Transfer-Encoding: identity\r\n\r\n{}",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding that is blank": POST + b"Transfer-Encoding:\r\n\r\n",
    "a coding behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"\r\n0\r\n\r\n",
    # Chunks
    "a chunk of hexadecimal notation": CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a signed chunk": CHUNKED + b"\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a blank chunk": CHUNKED + b"\r\n\r\n{}\r\n0\r\n\r\n",
    "a chunk that overflows": CHUNKED + b"\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a chunk and a space": CHUNKED + b"\r\n2 \r\n{}\r\n0\r\n\r\n",
    "chunks ended by LF alone": CHUNKED + b"\r\n2\n{}\n0\n\n",
    "an extension ended by LF alone": CHUNKED + b"\r\n2;a\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"\r\n2\r\n{}x\r\n0\r\n\r\n",
    # Lines
    "a folded line": GET + b"X: a\r\n b\r\n\r\n",
    "a folded first line": b"GET /v1/models HTTP/1.1\r\n X: a\r\nHost: localhost\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a tab before the colon": GET + b"X\t: a\r\n\r\n",
    "a name in two words": GET + b"X Y: a\r\n\r\n",
    "no name": GET + b": a\r\n\r\n",
    "no colon": GET + b"Xabc\r\n\r\n",
    "a bare CR in a value": GET + b"X: a\rb\r\n\r\n",
    "lines ended by CR alone": GET + b"X: a\rY: b\r\n\r\n",
    "lines ended by LF alone": b"GET /v1/models HTTP/1.1\nHost: localhost\n\n",
    "one line ended by LF alone": GET + b"X: a\nY: b\r\n\r\n",
    "a NUL in a value": GET + b"X: a\x00b\r\n\r\n",
    "a NUL in a name": GET + b"X\x00: a\r\n\r\n",
    "a control character in a value": GET + b"X: a\x01b\r\n\r\n",
    "a name beyond ASCII": GET + b"X\xe4: a\r\n\r\n",
    # Whose it is
    "no Host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: evil.example\r\n\r\n",
    "the same Host twice": GET + b"Host: localhost\r\n\r\n",
    "two Hosts in HTTP/1.0": GET.replace(b"1.1", b"1.0") + b"Host: evil.example\r\n\r\n",
    "a list of Hosts": b"GET /v1/models HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n",
    "an empty Host": b"GET /v1/models HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a user": b"GET /v1/models HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n",
    "a Host with a path": b"GET /v1/models HTTP/1.1\r\nHost: localhost/evil\r\n\r\n",
    "a Host with a fragment": b"GET /v1/models HTTP/1.1\r\nHost: evil.example#localhost\r\n\r\n",
    "a Host with a port that is none": b"GET /v1/models HTTP/1.1\r\nHost: localhost:80x\r\n\r\n",
    "a Host beyond ASCII": b"GET /v1/models HTTP/1.1\r\nHost: localhost\xff\r\n\r\n",
    "an address elsewhere": b"GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an address with a user": b"GET http://a@localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an address with a fragment": b"GET /v1/models#x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an address beyond ASCII": b"GET /v1/\xe4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a NUL in the address": b"GET /v1/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "the server as a whole": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    # Offers of another protocol
    "an offer, a length and chunks": CHUNKED + OFFER + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "an offer and two lengths": POST + OFFER + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "an offer and two Hosts": GET + OFFER + b"Host: evil.example\r\n\r\n",
    "an offer on a folded line": GET + b"Connection: upgrade\r\nUpgrade: h2c,\r\n Host: evil.example\r\n\r\n",
    "an offer to chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + OFFER + b"\r\n0\r\n\r\n",
    "an offer in a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n" + OFFER + b"\r\n",
    # Versions
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/1.2": GET.replace(b"1.1", b"1.2") + b"\r\n",
    "HTTP/2.0 in the manner of 1.1": GET.replace(b"1.1", b"2.0") + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method in lower case": GET.replace(b"GET", b"get") + b"\r\n",
    "no HTTP at all": b"HELO mail.example\r\n\r\n",
}

TAKEN: dict[str, bytes] = {
    "an ordinary request": GET + b"\r\n",
    "a body of a length": POST + b"Content-Length: 2\r\n\r\n{}",
    "a length with zeros before it": POST + b"Content-Length: 002\r\n\r\n{}",
    "a length with spaces behind it": POST + b"Content-Length: 2  \r\n\r\n{}",
    "an empty body": POST + b"Content-Length: 0\r\n\r\n",
    "chunks": CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks with extensions": CHUNKED + b"\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
    "CHUNKS": POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a value in Latin-1": GET + b"X: \xe4\xff\r\n\r\n",
    "HTTP/1.0 without a Host": b"GET /v1/models HTTP/1.0\r\n\r\n",
    "an address with this Host": b"GET http://LOCALHOST/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an IPv6 Host": b"GET /v1/models HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n",
    "an upgrade that it can do without": GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "empty lines before it": b"\r\n\r\n" + GET + b"\r\n",
}


@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "in pieces"])
def test_what_could_be_read_in_two_ways_is_refused(gateway: Gateway, request_bytes: bytes, in_pieces: bool) -> None:
    """Nothing behind it is answered either: it could be somebody else's, or no request at all."""
    pieces = (request_bytes[:30], request_bytes[30:], CANARY) if in_pieces else (request_bytes + CANARY,)

    received = answer(gateway, *pieces, pause=0.01 if in_pieces else 0)

    # Whoever is still sending when the connection is closed may lose the answer, and has been refused all the same.
    assert status(received) in (400, 0)
    assert received.count(b"HTTP/1.1 ") <= 1
    assert b"localhost" not in received


@pytest.mark.parametrize("request_bytes", TAKEN.values(), ids=TAKEN.keys())
def test_what_can_be_read_in_one_way_only_is_taken(gateway: Gateway, request_bytes: bytes) -> None:
    received = answer(gateway, request_bytes + CANARY)

    assert status(received) == 401  # as the request that it is, of somebody without a key


def test_a_refusal_says_why_and_quotes_nothing(gateway: Gateway) -> None:
    received = answer(gateway, GET + b"Host: <script>\r\n\r\n")

    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert body == b"There must be exactly one Host."


def test_nothing_behind_a_refused_request_is_answered(gateway: Gateway) -> None:
    received = answer(gateway, GET + b"Host: other\r\n\r\n" + CANARY + CANARY)

    assert received.count(b"HTTP/1.1 ") == 1


def test_a_refusal_does_not_become_the_answer_of_the_request_before(gateway: Gateway) -> None:
    """The first is on its way through the application when the second is found wrong."""
    received = answer(gateway, CANARY.replace(b"Connection: close\r\n", b"") + b"nonsense\r\n\r\n")

    assert b"HTTP/1.1 400" not in received


OFFERS: dict[str, bytes] = {
    "to go on in HTTP/2": OFFER,
    "to go on over TLS": b"Connection: upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n",
    "of a WebSocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())
@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "in pieces"])
def test_a_body_behind_an_offer_is_the_body(gateway: Gateway, offer: bytes, in_pieces: bool) -> None:
    """The parser stops at an offer and would take what comes next for the next request."""
    request = POST + offer + b"Content-Length: %d\r\n\r\n" % len(CANARY) + CANARY
    pieces = [request[at : at + 40] for at in range(0, len(request), 40)] if in_pieces else [request]

    received = answer(gateway, *pieces, CANARY, pause=0.01 if in_pieces else 0)

    assert (status(received), received.count(b"HTTP/1.1 ")) == (401, 2)
    assert received.count(b"200 OK") == 1  # the request behind it, not the one in its body


@pytest.mark.parametrize("rest", [b"\r\n", b"Content-Length: 2\r\n\r\n{}"])
def test_an_offer_costs_the_connection_nothing(gateway: Gateway, rest: bytes) -> None:
    received = answer(gateway, (POST + OFFER + rest) * 3 + CANARY)

    assert [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]] == [401, 401, 401, 200]


def head_of(*headers: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return checked([(b"host", b"a"), *headers], version="1.1", target=b"/")[1:]


LEFT_OUT: dict[str, tuple[list[tuple[bytes, bytes]], list[bytes]]] = {
    "nothing": ([(b"accept", b"*/*"), (b"connection", b"keep-alive")], [b"accept", b"connection"]),
    "a name with an underscore": ([(b"x_forwarded_for", b"1.2.3.4"), (b"x-a", b"b")], [b"x-a"]),
    "a key with an underscore": ([(b"x_api_key", b"k"), (b"x-api-key", b"k")], [b"x-api-key"]),
    "what Connection names": (
        [(b"connection", b"close, X-A"), (b"x-a", b"b"), (b"x-b", b"c")],
        [b"connection", b"x-b"],
    ),
    "what two Connections name": (
        [(b"connection", b"x-a"), (b"x-a", b"b"), (b"x-b", b"c"), (b"connection", b"x-b")],
        [b"connection", b"connection"],
    ),
    "not the length": (
        [(b"connection", b"content-length"), (b"content-length", b"3")],
        [b"connection", b"content-length"],
    ),
    "not the Host": ([(b"connection", b"host")], [b"connection"]),
}


@pytest.mark.parametrize(("headers", "kept"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_headers_that_do_not_count_are_left_out(headers: list[tuple[bytes, bytes]], kept: list[bytes]) -> None:
    assert [name for name, _ in head_of(*headers)] == kept


def test_a_head_loses_its_offer_and_nothing_else() -> None:
    headers = [(b"host", b"a"), (b"connection", b"Upgrade, X-A,HTTP2-Settings"), (b"upgrade", b"h2c"), (b"x-b", b"c")]

    head = without_offer(headers, method=b"POST", target=b"/x?y", version="1.1")

    assert head == b"POST /x?y HTTP/1.1\r\nhost: a\r\nconnection: X-A\r\nx-b: c\r\n\r\n"


def test_a_key_with_an_underscore_in_its_header_does_not_count(gateway: Gateway) -> None:
    """As much as no key; and beside another one it does not make two."""
    received = answer(gateway, GET + b"X_Api_Key: stoa_sk_x\r\nConnection: close\r\n\r\n")

    assert status(received) == 401
