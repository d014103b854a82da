"""The admin in another language: a tiny catalogue, made here, stands for one in locale/."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client, override_settings

from gateway_project.unmarked import code, templates
from tests.admin.world import CourseWorld

WORDS = {
    "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n",
    "Allowance": "Kiintiö",  # in the code
    "Who gets what": "Kuka saa mitä",  # in a template
    "title": "otsikko",  # a name that Django makes from the code
}


def catalogue(words: dict[str, str]) -> bytes:
    """The format of gettext's .mo files: two tables of lengths and offsets, then the texts, sorted."""
    pairs = sorted((one.encode(), other.encode()) for one, other in words.items())
    offset, texts, tables = 28 + 16 * len(pairs), b"", [b"", b""]
    for place in (0, 1):
        for pair in pairs:
            tables[place] += struct.pack("<II", len(pair[place]), offset + len(texts))
            texts += pair[place] + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0) + tables[0] + tables[1] + texts


@pytest.fixture
def finnish(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "fi" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(catalogue(WORDS))
    with override_settings(LOCALE_PATHS=[tmp_path], LANGUAGES=[("en", "English"), ("fi", "suomi")]):
        yield


def test_a_reader_gets_the_language_of_the_browser(instructor: Client, world: CourseWorld, finnish: None) -> None:
    address = f"/admin/c/{world.course.slug}"

    page = instructor.get(f"{address}/allowance/", headers={"accept-language": "fi"}).content.decode()
    form = instructor.get(f"{address}/settings/", headers={"accept-language": "fi"}).content.decode()
    english = instructor.get(f"{address}/allowance/").content.decode()

    assert '<html lang="fi"' in page and "Kiintiö" in page and "Kuka saa mitä" in page
    assert "Otsikko" in form
    assert "Kiintiö" not in english and "Who gets what" in english


def test_the_staff_api_speaks_english(instructor: Client, finnish: None) -> None:
    answer = instructor.get("/api/staff/calls/nothing", headers={"accept-language": "fi"})

    assert "There is nothing at this address" in answer.json()["error"]["message"]


def test_all_text_of_pages_is_marked() -> None:
    assert [*templates.in_templates(), *code.in_code()] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>{% translate 'Yes' %} {{ name }}</p>", []),
        ("<p>\nYes {{ name }}</p>", [(2, "Yes")]),
        ('<a href="/x" title="Open {{ name }}">{% translate "x" %}</a>', [(1, "Open")]),
        ("{% blocktranslate %}Hello <b>you</b>{% endblocktranslate %}", []),
        ('{{ name|default:"nobody" }} {{ name|default:_("nobody") }}', [(1, "nobody")]),
        ('<span class="material-symbols-outlined">search</span> Stoa &amp; 7', []),
    ],
)
def test_text_of_a_template_that_is_not_marked_is_found(source: str, found: list[tuple[int, str]]) -> None:
    assert list(templates.unmarked(source)) == found
