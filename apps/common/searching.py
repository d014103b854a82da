"""What people search for, bounded: each word costs the database several comparisons with every row."""

from django.utils.translation import gettext

MOST_WORDS, LONGEST_WORD = 8, 64


class SearchTooLong(ValueError):
    """The message says what a search may be."""


def words(term: str) -> list[str]:
    """The words of a search. Raises SearchTooLong, since an answer to a part of the question would mislead."""
    found = term.split()
    if len(found) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in found):
        raise SearchTooLong(
            gettext("Search for at most {most_words} words of at most {longest_word} characters each.").format(
                most_words=MOST_WORDS, longest_word=LONGEST_WORD
            )
        )
    return found


def phrase(term: str) -> str:
    """The same as one piece of text, without the spaces around it. Raises SearchTooLong."""
    words(term)
    return term.strip()


def mistake(term: str) -> str:
    """Why nothing is searched for; empty if the search is fine."""
    try:
        words(term)
    except SearchTooLong as error:
        return str(error)
    return ""
