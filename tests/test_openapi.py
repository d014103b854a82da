"""The OpenAPI documents keep their promises: nothing changes unnoticed, and nothing is left unsaid."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from apps.common.errors import BodyStalled, GatewayError, MethodNotAllowed
from tests.openapi import MAKERS, file_of, text_of

Operation = dict[str, Any]
METHODS = {"get", "post", "put", "patch", "delete"}
both = pytest.mark.parametrize("name", MAKERS)
# They take credentials in the body, which OpenAPI has no scheme for, or none; so they declare that there is no scheme.
WITHOUT_SCHEME = {"POST /auth/token", "POST /auth/refresh", "POST /auth/logout", "GET /.well-known/jwks.json"}


def document_of(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text_of(name))
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield f"{method.upper()} {path}", item[method]


def statuses(error: type[GatewayError] = GatewayError) -> set[int]:
    """All with which the student API can refuse."""
    return {error.status, 504}.union(*(statuses(child) for child in error.__subclasses__()))


@both
def test_the_document_is_the_one_that_was_promised(name: str) -> None:
    changed = f"The OpenAPI document changed. If that is meant: `make docs`, and commit {file_of(name).name} with it."

    assert text_of(name) == file_of(name).read_text(), changed


@both
def test_there_are_operations(name: str) -> None:
    assert list(operations(document_of(name)))


@both
def test_every_operation_says_who_may_call_it(name: str) -> None:
    document = document_of(name)
    schemes = set(document["components"].get("securitySchemes", ()))

    for operation, described in operations(document):
        if operation in WITHOUT_SCHEME:
            assert described["security"] == [], operation
            continue
        wanted = described.get("security", document.get("security", []))
        assert wanted, f"{operation} may be called by anybody"
        assert all(option and set(option) <= schemes for option in wanted), operation


@both
def test_every_operation_has_a_name_that_tells_nothing_of_our_modules(name: str) -> None:
    names = [described["operationId"] for _, described in operations(document_of(name))]

    assert len(set(names)) == len(names)
    assert not [name for name in names if "apps" in name or "router" in name]


def test_every_operation_of_students_documents_every_refusal() -> None:
    # Operations do not have 405, and only services, whose bodies are passed on as they arrive, have 408.
    possible = {str(status) for status in statuses() - {MethodNotAllowed.status, BodyStalled.status}}

    missing = {
        operation: sorted(possible - set(described["responses"]))
        for operation, described in operations(document_of("student"))
    }

    assert {operation: codes for operation, codes in missing.items() if codes} == {}


@both
def test_every_refusal_has_the_one_body(name: str) -> None:
    for operation, described in operations(document_of(name)):
        for status, response in described["responses"].items():
            if status >= "400":
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorOut"}, (operation, status)


def test_every_field_and_parameter_of_the_staff_api_is_described() -> None:
    document = document_of("staff")
    fields = {
        f"{schema}.{field}": described
        for schema, body in document["components"]["schemas"].items()
        for field, described in body.get("properties", {}).items()
        if schema != "ErrorOut"
    }
    parameters = {
        f"{operation} {parameter['name']}": parameter
        for operation, described in operations(document)
        for parameter in described.get("parameters", [])
    }

    assert [name for name, described in {**fields, **parameters}.items() if not described.get("description")] == []
