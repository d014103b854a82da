"""Refusals and the one body they are rendered to."""

import json

import pytest

from apps.common import errors


def test_the_body_has_openais_shape_and_our_fields_beside_it() -> None:
    error = errors.InvalidRequest("some_code", "Do it otherwise.", param="messages")

    assert error.body(request_id="r1") == {
        "error": {
            "message": "Do it otherwise.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "some_code",
            "request_id": "r1",
            "fixed_by": "you",
            "charged": 0,
        }
    }


def test_the_json_is_the_body() -> None:
    error = errors.NotFound("model_not_found", "Kein Modell „gpt“.")

    assert json.loads(error.json(request_id="r1")) == error.body(request_id="r1")


def test_details_go_into_the_body_and_headers_do_not() -> None:
    error = errors.OutOfQuota("Used up.", headers={"x-quota-reset": "later"}, details={"limit": 10})

    assert error.body(request_id="r1")["error"]["limit"] == 10
    assert "x-quota-reset" not in error.body(request_id="r1")["error"]
    assert error.headers["x-quota-reset"] == "later"


def test_a_refusal_can_say_who_mends_it_and_what_it_charged() -> None:
    error = errors.InvalidRequest("code", "Message.", fixed_by="instructor", charged=7)

    assert error.body(request_id="r1")["error"]["fixed_by"] == "instructor"
    assert error.body(request_id="r1")["error"]["charged"] == 7


CLASSES = [
    (errors.InvalidRequest("c", "m"), 400, "invalid_request_error", "you"),
    (errors.BlockedByRule("c", "m"), 400, "invalid_request_error", "you"),
    (errors.InvalidKey(), 401, "invalid_request_error", "you"),
    (errors.NotAllowed("c", "m"), 403, "invalid_request_error", "instructor"),
    (errors.NotFound("c", "m"), 404, "invalid_request_error", "you"),
    (errors.MethodNotAllowed("c", "m"), 405, "invalid_request_error", "you"),
    (errors.BodyTooLarge("c", "m"), 413, "invalid_request_error", "you"),
    (errors.RateLimited("m", wait=1), 429, "requests", "you"),
    (errors.OutOfQuota("m", headers={}, details={}), 429, "insufficient_quota", "instructor"),
    (errors.InternalError(), 500, "server_error", "operator"),
    (errors.UpstreamFailed("c", "m"), 502, "server_error", "operator"),
    (errors.UpstreamFailed("c", "m", status=504), 504, "server_error", "operator"),
    (errors.Unavailable("c", "m"), 503, "server_error", "operator"),
]


@pytest.mark.parametrize(
    ("error", "status", "kind", "fixed_by"), CLASSES, ids=lambda value: type(value).__name__ if value else ""
)
def test_every_class_has_its_status_and_type(error: errors.GatewayError, status: int, kind: str, fixed_by: str) -> None:
    body = error.body(request_id="r1")["error"]

    assert error.status == status
    assert (body["type"], body["fixed_by"]) == (kind, fixed_by)


def test_out_of_quota_tells_clients_not_to_retry_and_not_to_wait() -> None:
    error = errors.OutOfQuota("m", headers={}, details={})

    assert error.headers == {"x-should-retry": "false"}


@pytest.mark.parametrize(
    ("wait", "headers"),
    [
        (0, {"retry-after": "1", "retry-after-ms": "1"}),
        (0.25, {"retry-after": "1", "retry-after-ms": "250"}),
        (1.0, {"retry-after": "1", "retry-after-ms": "1000"}),
        (1.0001, {"retry-after": "2", "retry-after-ms": "1001"}),
        (60, {"retry-after": "60", "retry-after-ms": "60000"}),
        (60.1, {"x-should-retry": "false"}),
    ],
)
def test_a_rate_refusal_says_how_long_to_wait_up_to_a_minute(wait: float, headers: dict[str, str]) -> None:
    assert errors.RateLimited("m", wait=wait).headers == headers
