"""YAML with positions."""

import pytest

from gateway_project.apply import document
from gateway_project.apply.mistakes import Mistakes


def read(text: str) -> document.Document:
    return document.read(text.encode(), source="stoa.yaml")


def refusal(raw: str | bytes) -> str:
    with pytest.raises(Mistakes) as raised:
        document.read(raw.encode() if isinstance(raw, str) else raw, source="stoa.yaml")
    return str(raised.value)


@pytest.mark.parametrize("word", ["off", "yes", "00123", "1_000", "4.10", "2026-01-01", "0x10", "12:30:00"])
def test_a_word_stays_as_it_was_written(word: str) -> None:
    assert read(f"field: {word}").tree == {"field": word}


@pytest.mark.parametrize("word", ["null", "~", ""])
def test_nothing_is_none(word: str) -> None:
    assert read(f"field: {word}").tree == {"field": None}


def test_a_quoted_null_is_text() -> None:
    assert read('field: "null"').tree == {"field": "null"}


def test_every_part_knows_its_line() -> None:
    lines = read("a:\n  - b: 1\n    c:\n      2\n  - [x,\n     y]\n").lines

    assert lines == {
        (): 1, ("a",): 1, ("a", 0): 2, ("a", 0, "b"): 2, ("a", 0, "c"): 3, ("a", 1): 5, ("a", 1, 0): 5, ("a", 1, 1): 6,
    }  # fmt: skip


def test_an_omitted_part_is_on_the_line_of_what_is_around_it() -> None:
    assert read("a:\n  - b: 1\n").line(("a", 0, "missing")) == 2


def test_aliases_are_what_they_stand_for() -> None:
    assert read("a: &x {b: 1}\nc: *x\n").tree == {"a": {"b": "1"}, "c": {"b": "1"}}


def test_a_field_given_twice_is_a_mistake() -> None:
    [mistake] = read("a: 1\nb: 2\na: 3\n").mistakes

    assert str(mistake) == "3: a: is given twice; the first time on line 1."


def test_merging_is_refused_in_words() -> None:
    [mistake] = read("a: &x {b: 1}\nc:\n  <<: *x\n").mistakes

    assert str(mistake) == "3: c: Merging with << is not supported; write the fields out."


def test_a_tag_is_refused() -> None:
    mistakes = read("a: !!python/name:os.system\nb: !secret x\n").mistakes

    assert [str(mistake) for mistake in mistakes] == [
        "1: a: Tags such as !name are not supported.",
        "2: b: Tags such as !name are not supported.",
    ]


def test_a_field_name_that_is_no_word_is_refused() -> None:
    [mistake] = read("a:\n  [b]: 1\n").mistakes

    assert str(mistake) == "2: a: A field's name must be plain text."


def test_bad_yaml_names_the_line() -> None:
    assert refusal("a: 1\nb: [\n").startswith("stoa.yaml:3: This is not valid YAML: ")


def test_a_control_character_is_refused() -> None:
    assert "This is not valid YAML: " in refusal("a: \x07")


def test_text_that_is_not_utf8_names_the_line() -> None:
    assert refusal(b"a: 1\nb: \xff\n") == "stoa.yaml:2: The file must be text in UTF-8."


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_a_mistake(text: str) -> None:
    assert refusal(text) == "stoa.yaml:1: The file is empty."


def test_a_second_document_is_refused() -> None:
    assert "stoa.yaml:2: " in refusal("a: 1\n---\nb: 2\n")


def test_aliases_within_aliases_end_soon() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

    assert "aliases expand to too much" in refusal(bomb)


def test_an_alias_of_itself_ends() -> None:
    assert "nested too deeply" in refusal("a: &a [*a]\n")


def test_deep_nesting_is_refused() -> None:
    assert "nested too deeply" in refusal("[" * 100_000)


def test_a_file_beyond_the_limit_is_refused() -> None:
    assert refusal("#" * (document.MAX_SIZE + 1)) == "stoa.yaml:1: The file is larger than 5 MB."
