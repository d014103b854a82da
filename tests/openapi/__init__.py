"""The OpenAPI documents, as clients were promised them.

`python -m tests.openapi` (part of `make docs`) writes them anew into this directory. What changes there is a change of
the promise: it belongs into the commit that makes it, and into the changelog.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Document = dict[str, Any]


def student() -> Document:
    from gateway_project.apis.student import api

    return dict(api.get_openapi_schema())


def tokens() -> Document:
    from gateway_project.apis.tokens import api

    return dict(api.get_openapi_schema())


def staff() -> Document:
    from drf_spectacular.generators import SchemaGenerator

    document: Document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return document


MAKERS: dict[str, Callable[[], Document]] = {"student": student, "staff": staff, "tokens": tokens}


def text_of(name: str) -> str:
    """The document of the code as it is now."""
    return json.dumps(MAKERS[name](), indent=2, ensure_ascii=False, default=str) + "\n"


def file_of(name: str) -> Path:
    """Where the promised document lies."""
    return Path(__file__).with_name(f"{name}.json")
