"""The requests that views of the data plane get, and the errors in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from apps.accounts.principals import Principal
from apps.common.tracing import Trace
from apps.dataplane.plane import DataPlane


class StudentRequest(HttpRequest):
    """A request whose caller is known and whose body has been read. `state` holds the process's objects, by app."""

    plane: DataPlane
    state: Mapping[str, Any]
    principal: Principal
    admitted: object  # the revision of the accounts at which the principal was admitted
    request_id: str
    trace: Trace
    raw: bytes

    def header(self, name: bytes) -> str | None:
        """A header by its name in lower case; several of one name are joined by commas. None if there is none."""
        raise NotImplementedError


class ErrorBody(Schema):
    message: str = Field(description="A sentence that says what happened and what to do.")
    type: str = Field(description="The kind of error, in OpenAI's words.")
    param: str | None = Field(description="The part of the request that is wrong, if it is one part.")
    code: str = Field(description="What happened, as a word for programs. It stays the same when the sentence changes.")
    request_id: str = Field(description="Names this request in every log and to staff.")
    fixed_by: Literal["you", "instructor", "operator"] = Field(description="Who can do something about it.")
    charged: int = Field(description="Weighted tokens that it cost all the same.")


class ErrorOut(Schema):
    """What every refusal looks like."""

    error: ErrorBody


REFUSALS = dict.fromkeys((400, 401, 403, 404, 409, 413, 415, 429, 500, 502, 503, 504), ErrorOut)
