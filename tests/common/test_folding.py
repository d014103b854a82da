"""Searches mind no case, in no script: on SQLite as on PostgreSQL."""

import pytest
from django.db import connection
from django.db.models import Value
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Course, User
from tests import factories

pytestmark = pytest.mark.django_db

FOUND = {
    "a capital in the text": ("Ö'Brien", "ö'brien"),
    "a capital in the word": ("ö'brien", "Ö'BRIEN"),
    "ASCII around it": ("Müller-LÜDENSCHEIDT", "lüden"),
    "Greek": ("ΑΛΈΞΑΝΔΡΟΣ", "αλέξανδρο"),
    "a final sigma": ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
    "Cyrillic": ("Анна Каренина", "КАРЕН"),
    "Armenian": ("Հայաստան", "ՀԱՅ"),
    "letters beyond the first plane": ("𐐔𐐯𐑅", "𐐼𐐯𐑅"),
    "wide letters": ("ＡＢＣ", "ｂ"),
    "scripts without case": ("山田太郎", "太郎"),
    "ASCII": ("O'Brien", "o'BRIEN"),
    "signs of LIKE": ("100 % Größe_\\", "% GRÖSSE_\\".replace("SS", "ß")),
}
MISSED = {"another letter": ("O'Brien", "ö'brien"), "signs of LIKE": ("Größe", "gr%ß_"), "the end": ("Grö", "größe")}


def titles(**lookup: str) -> list[str]:
    return list(Course.objects.filter(**lookup).values_list("title", flat=True))


@pytest.mark.parametrize(("text", "word"), FOUND.values(), ids=FOUND.keys())
def test_a_word_is_found_in_any_case(text: str, word: str) -> None:
    factories.make_course(title=text)
    factories.make_course(title="Another")

    assert titles(title__icontains=word) == [text]
    assert titles(title__istartswith=word) == ([text] if text.casefold().startswith(word.casefold()) else [])
    assert titles(title__iendswith=word) == ([text] if text.casefold().endswith(word.casefold()) else [])
    assert titles(title__iexact=word) == ([text] if text.casefold() == word.casefold() else [])


@pytest.mark.parametrize(("text", "word"), MISSED.values(), ids=MISSED.keys())
def test_another_word_is_not_found(text: str, word: str) -> None:
    factories.make_course(title=text)

    assert titles(title__icontains=word) == []


def test_what_is_not_there_is_not_found() -> None:
    user = factories.make_user(first_name="Ö")

    assert list(User.objects.filter(last_login__icontains="ö")) == []
    assert list(User.objects.filter(pk=user.pk).exclude(last_name__icontains="ö")) == [user]


def test_words_in_ascii_and_expressions_are_left_to_the_database() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        titles(title__icontains="brien")
        list(Course.objects.filter(title__icontains=Value("ö")))

    assert not [query["sql"] for query in queries if "stoa_" in query["sql"]]
