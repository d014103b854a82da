"""Asking the staff API, and calls to be found."""

from datetime import datetime, timedelta
from typing import Any

from django.test import Client

from apps.accounts.models import Membership
from apps.common.ids import first_id, new_id
from apps.conversations.models import Call
from tests.admin.world import make_call

CALLS = "/api/staff/calls"


def page(client: Client, address: str = CALLS, **query: Any) -> Any:
    answer = client.get(address, query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def found(client: Client, **query: Any) -> list[str]:
    """The ids of the calls on the first page."""
    return [call["id"] for call in page(client, **query)["results"]]


def refusal(answer: Any) -> Any:
    """What is under `error`, once it is certain that this is the body that every refusal has."""
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert {"code", "message", "request_id", "type", "param", "fixed_by", "charged"} <= set(error)
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


def make_call_at(member: Membership, at: datetime, *, body_takes: timedelta = timedelta(0), **values: Any) -> Call:
    """A call whose headers came at an instant and whose body took a while, as the gateway would have numbered it."""
    id = first_id(at)[:12] + new_id()[12:]
    return make_call(member, id=id, started_at=at + body_takes, **values)
