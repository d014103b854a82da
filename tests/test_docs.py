"""What is written for people is true: settings, commands, and the names that the pages mention."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest

from gateway_project import roles_page, settings_page
from gateway_project.env import BASE_DIR, Env
from gateway_project.reference.sources import parsed

MAKEFILE = (BASE_DIR / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(
        f"docs/{name}.md"
        for name in (
            "architecture",
            "audit",
            "charging",
            "course-in-ten-minutes",
            "logs",
            "notifications",
            "operate",
            "providers",
            "quotas",
            "reference",
            "roles",
            "rules",
            "services-identity",
            "services-passing",
            "sign-in",
            "tokens",
            "trouble",
        )
    ),
)
OTHERS = {"LAB_KEY", "CAMPUS_SECRET", "STOA_BROWSER", "STOA_ARTEFACTS"}  # an example, and variables of the tests
ENVIRONMENT = {*(name.upper() for name in Env.model_fields), *re.findall(r"\b[A-Z_]{3,}\b", MAKEFILE), *OTHERS}


def sources() -> Iterator[ast.AST]:
    for folder in ("gateway_project", "apps"):
        for path in (BASE_DIR / folder).rglob("*.py"):
            yield from ast.walk(parsed(path))


def test_the_page_of_settings_is_up_to_date() -> None:
    assert settings_page.PAGE.read_text() == settings_page.page(), "Run: make docs"


def test_the_page_of_roles_is_up_to_date() -> None:
    assert roles_page.PAGE.read_text() == roles_page.page(), "Run: make docs"


@pytest.mark.parametrize("name", Env.model_fields)
def test_every_setting_is_explained_in_a_sentence(name: str) -> None:
    description = Env.model_fields[name].description or ""

    assert len(description) > 15 and description.endswith("."), description


def test_every_setting_is_used() -> None:
    """`ENV.port` in settings.py, or `env.port` in what settings.py calls."""
    read = {
        node.attr
        for node in sources()
        if isinstance(node, ast.Attribute) and "env" in ast.unparse(node.value).lower().split(".")
    }

    assert set(Env.model_fields) - read == {"gateway_env"}  # by way of `is_production`


def test_make_help_explains_every_command() -> None:
    told = subprocess.run(["make", "help"], cwd=BASE_DIR, capture_output=True, text=True, check=True).stdout

    assert sorted(re.findall(r"^  make ([a-z-]+) +[A-Z]", told, re.MULTILINE)) == sorted(TARGETS)


def test_every_command_is_phony() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)

    assert declared and set(declared[1].split()) == set(TARGETS)


def test_what_must_be_covered_entirely_exists() -> None:
    """Coverage passes silently over a name that matches no file."""
    named = re.search(r"^WHOLE := (.*)$", MAKEFILE, re.MULTILINE)

    assert named and [path for path in named[1].split(",") if not (BASE_DIR / path).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_settings_that_exist(page: str) -> None:
    text = (BASE_DIR / page).read_text()

    named = {name for name in re.findall(r"`([A-Z][A-Z_]{3,})[`=]|\b([A-Z][A-Z_]{3,})=", text) for name in name if name}

    assert named <= ENVIRONMENT, named - ENVIRONMENT


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_commands_that_exist(page: str) -> None:
    named = set(re.findall(r"`(?:[A-Z_]+=\S+ )?make ([a-z-]+)", (BASE_DIR / page).read_text()))

    assert named <= set(TARGETS), named - set(TARGETS)


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    place = (BASE_DIR / page).parent
    targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", (BASE_DIR / page).read_text())

    assert [target for target in targets if not Path(place / target).exists()] == []


# What the pages for developers name

FOR_DEVELOPERS = ("CONTRIBUTING.md", "docs/architecture.md")
PLACES = ("apps", "bench", "docs", "gateway_project", "templates", "tests")


def in_backticks(page: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", (BASE_DIR / page).read_text()))


def in_blocks(page: str) -> set[str]:
    """The words of blocks of code without a language."""
    blocks = re.findall(r"^```\n(.*?)^```$", (BASE_DIR / page).read_text(), re.MULTILINE | re.DOTALL)
    return {word.strip(",;:()") for word in " ".join(blocks).split()}


@pytest.fixture(scope="module")
def files() -> list[str]:
    """Every file and folder of ours, from the root."""
    return [str(path.relative_to(BASE_DIR)) for place in PLACES for path in (BASE_DIR / place).rglob("*")]


@pytest.mark.parametrize("page", FOR_DEVELOPERS)
def test_a_page_names_only_paths_that_exist(page: str, files: list[str]) -> None:
    """A path from the root, or the end of one, such as `ledger/rows.py`."""
    named = in_backticks(page) | in_blocks(page)
    paths = {name for name in named if re.fullmatch(r"[\w./-]+(/|\.(html|lua|md|py|toml|yaml))", name)}

    ends = {"/".join(file.split("/")[start:]) for file in files for start in range(file.count("/") + 1)}
    lost = [path for path in paths if not (BASE_DIR / path).exists() and path.rstrip("/") not in ends]
    assert len(paths) > 20 and lost == []


@pytest.mark.parametrize("page", FOR_DEVELOPERS)
def test_a_page_names_only_classes_that_exist(page: str, files: list[str]) -> None:
    names = {name for name in in_backticks(page) if re.fullmatch(r"[A-Z][a-z]\w+(\.\w+)*", name)}

    code = "".join((BASE_DIR / file).read_text() for file in files if file.endswith(".py"))
    classes, words = set(re.findall(r"^ *class (\w+)", code, re.MULTILINE)), set(re.findall(r"\w+", code))
    known = {name for name in names if name.split(".")[0] in classes and set(name.split(".")) <= words}
    assert len(names) > 5 and names - known == set()


@pytest.mark.parametrize("page", FOR_DEVELOPERS)
def test_a_page_names_only_modules_and_functions_that_exist(page: str) -> None:
    for name in in_backticks(page):
        if re.fullmatch(r"(apps|gateway_project)(\.\w+)+", name):
            resolve_name(name)
