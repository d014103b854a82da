"""How long a body for the control plane may be: forms with files are long, everything else is not."""

import re

import httpx
import pytest

from tests.live import Gateway

M = 2**20
JSON = {"content-type": "application/json"}
BOTH = [("content-type", "application/json"), ("content-type", "multipart/form-data")]
BODIES = {
    "JSON": ("/api/staff/calls", {"content": b"[" * 2 * M, "headers": JSON}, True),
    "short JSON": ("/api/staff/calls", {"content": b"[" * 10_000, "headers": JSON}, False),
    "bytes of no type": ("/admin/accounts/course/add/", {"content": b"a" * 2 * M}, True),
    "a form with a file": ("/admin/accounts/course/add/", {"files": {"roster": b"a,b\n" * M}}, False),
    "a form with too long a file": ("/admin/accounts/course/add/", {"files": {"roster": b"a,b\n" * 3 * M}}, True),
    "JSON that calls itself a form as well": ("/api/staff/calls", {"content": b"[" * 2 * M, "headers": BOTH}, True),
}


@pytest.mark.parametrize(("path", "content", "is_refused"), BODIES.values(), ids=BODIES.keys())
def test_what_is_too_long_is_refused(gateway: Gateway, path: str, content: dict[str, object], is_refused: bool) -> None:
    response = httpx.post(f"{gateway.base_url}{path}", **content)  # type: ignore[arg-type]

    assert (response.status_code == 413) == is_refused, response.status_code
    assert response.status_code < 500
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])
