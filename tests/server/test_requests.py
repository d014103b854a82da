"""What a view of the data plane reads of a request."""

import pytest

from gateway_project.edge.handler import DataRequest


def request(*headers: tuple[bytes, bytes], query: bytes = b"") -> DataRequest:
    return DataRequest({"path": "/v1/usage", "method": "get", "headers": list(headers), "query_string": query})


def test_headers_of_one_name_are_joined() -> None:
    read = request((b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))

    assert (read.header(b"x-a"), read.header(b"x-b"), read.header(b"x-c")) == ("1,3", "2", None)


@pytest.mark.parametrize(("query", "value"), [(b"a=1&b=2", "1"), (b"", None), (b"a=%C3%A4", "ä"), (b"a=\xe4", "ä")])
def test_the_query_can_be_read_whatever_its_bytes(query: bytes, value: str | None) -> None:
    assert request(query=query).GET.get("a") == value


def test_django_s_names_of_headers_are_there_for_who_asks() -> None:
    assert request((b"x-assignment", b"lab 1")).META["HTTP_X_ASSIGNMENT"] == "lab 1"
