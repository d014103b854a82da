"""Parses request bodies by hand, like all of the data plane, so that every error has the same shape."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from apps.common import json_bodies
from apps.common.errors import BodyTooLarge, InvalidRequest

B = TypeVar("B")


class Body(Generic[B]):
    """A JSON object of a given type. `sentences` replace pydantic's messages for the fields that they name."""

    def __init__(self, shape: type[B], *, sentences: Mapping[str, str] | None = None) -> None:
        self._adapter = TypeAdapter(shape)
        self._names = " and ".join(f"'{name}'" for name in shape.__annotations__)
        self._sentences = sentences or {}

    @property
    def in_openapi(self) -> dict[str, Any]:
        schema = self._adapter.json_schema()
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

    def read(self, raw: bytes) -> B:
        """The value of these bytes. Raises BodyTooLarge, or InvalidRequest about the first wrong field."""
        if len(raw) > json_bodies.LARGE:
            raise BodyTooLarge("request_too_large", f"The body is larger than {json_bodies.LARGE:,} bytes. Send less.")
        try:
            return self._adapter.validate_python(json_bodies.loads(raw))
        except ValidationError as error:
            raise self._mistake(error) from error

    def _no_object(self) -> InvalidRequest:
        return InvalidRequest("invalid_json", f"The body must be a JSON object with {self._names}.")

    def _mistake(self, error: ValidationError) -> InvalidRequest:
        first = error.errors(include_url=False, include_input=False)[0]
        if not first["loc"]:
            return self._no_object()
        name = str(first["loc"][0])[:60]
        if first["type"] == "extra_forbidden":
            return InvalidRequest("unknown_parameter", f"'{name}' is not known here. Send {self._names}.", param=name)
        is_missing = first["type"] == "missing"
        sentence = self._sentences.get(name) or (" is missing." if is_missing else f": {first['msg']}.")
        code = "missing_required_parameter" if is_missing else "invalid_value"
        return InvalidRequest(code, f"'{name}'{sentence}", param=name)
