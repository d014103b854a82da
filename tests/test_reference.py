"""docs/reference.md has every error code, header and metric."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from apps.quotas.rate_limits import shared  # noqa: F401  # loaded only with Redis
from gateway_project import asgi  # noqa: F401  # loads everything else that counts
from gateway_project.env import BASE_DIR
from gateway_project.observability.figures import COMPONENTS, FIGURES
from gateway_project.reference import trouble_page
from gateway_project.reference.errors import RaisedError, RaisingModule, UnreadableCode, raised_errors
from gateway_project.reference.headers import unexplained
from gateway_project.reference.page import PAGE, page
from gateway_project.reference.repeats import Undecided, repeats
from gateway_project.reference.sources import parsed

HTTP_TESTS = [path for folder in ("chat", "staff_api") for path in (BASE_DIR / "tests" / folder).glob("test_*.py")]
CODE = re.compile(r"[a-z]+(?:_[a-z]+)+")
OF_PROVIDERS = {"context_length_exceeded"}  # passed on


def codes_expected(path: Path) -> Iterator[str]:
    """What a test compares a `code` with, or hands on as one."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.keyword) and node.arg == "code":
            yield from texts_in(node.value)
        elif isinstance(node, ast.Compare) and re.search(r"\['code'\]|\.code\b|\bcode\b", ast.unparse(node.left)):
            yield from texts_in(node.comparators[0])


def texts_in(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and CODE.fullmatch(part.value):
            yield part.value


def test_the_pages_are_up_to_date() -> None:
    assert PAGE.read_text() == page(), "Run: make docs"
    assert trouble_page.PAGE.read_text() == trouble_page.trouble_page(), "Run: make docs"


def test_it_has_every_code_that_clients_meet_in_the_tests() -> None:
    expected = {code for path in HTTP_TESTS for code in codes_expected(path)} - OF_PROVIDERS

    assert len(expected) > 20
    assert expected <= {error.code for error in raised_errors()}


def test_a_code_that_cannot_be_read_does_not_stay_off_the_page_silently() -> None:
    tree = ast.parse("def wanted(error):\n    raise NotFound(error.code, 'Gone.')")
    module = RaisingModule(Path("apps/chat/call.py"), tree, frozenset({"NotFound"}))

    with pytest.raises(UnreadableCode, match=r"apps/chat/call\.py:2: the code of NotFound"):
        list(module.errors())


def test_an_error_that_clients_repeat_needs_a_decision() -> None:
    new = RaisedError(is_staff_api=False, code="brand_new", status=503, fixed_by="operator", sentence="Wait.")

    with pytest.raises(Undecided, match="brand_new"):
        list(repeats([*raised_errors(), new]))


def test_it_has_every_metric() -> None:
    shown = {name.removesuffix("_total") for name in re.findall(r"^\| `(stoa_\w+)`", page(), re.MULTILINE)}

    counted = {family.name for family in REGISTRY.collect() if family.name.startswith("stoa_")}
    assert shown == counted | {COMPONENTS} | {name for name, _ in FIGURES.values()}


def test_it_has_every_header_that_the_sources_name_and_no_other() -> None:
    assert unexplained() == set()
