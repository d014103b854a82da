"""Markdown of strangers: formatted, marked, and without anything that acts."""

import re
import time

import pytest

from apps.conversations import markdown
from apps.conversations.markdown import render
from apps.conversations.titles import title_of

ADDRESS = '<span class="stoa-address">'
OPENING = ("[", "![", "*a ", "**a*", "`", "> ", "> a\n", "_a_", "|a", "<", "[a](", "- ", "&#1;", "# a\n")


def shown(text: str, *found: str) -> str:
    html = render(text, [(text.index(words), text.index(words) + len(words), "the-rule") for words in found])
    assert html is not None
    return str(html)


@pytest.mark.parametrize(
    ("written", "html"),
    [
        ("**bold** and `code`", "<strong>bold</strong> and <code>code</code>"),
        ("```python\nif a < b:\n    pass\n```", "<pre><code>if a &lt; b:\n    pass\n</code></pre>"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "<td>1</td>"),
        ("# Title", "<h4>Title</h4>"),
        ("one\ntwo", "one<br>\ntwo"),
    ],
)
def test_markdown_is_formatted(written: str, html: str) -> None:
    assert html in shown(written)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("[here](https://evil.example/?a=1)", 'here <span class="stoa-address">(https://evil.example/?a=1)</span>'),
        ("<https://evil.example/>", "<p>https://evil.example/</p>"),
        ("![a cat](https://evil.example/x.png)", "[a cat] "),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ('[x](https://e.example "a\\" onclick=alert(1)")', "x "),
        ("```<b onclick=x>\ncode\n```", "<pre><code>code"),
    ],
)
def test_nothing_in_it_acts(written: str, says: str) -> None:
    html = shown(written)

    assert says in html
    assert {*re.findall("<[^>]*>", html)} <= {"<p>", "</p>", "<pre>", "</pre>", "<code>", "</code>", ADDRESS, "</span>"}


@pytest.mark.parametrize("found", ["write **my essay", "my", "# Please", "write **my essay**\n\n- Or"])
def test_what_was_found_is_marked_or_the_source_is_shown(found: str) -> None:
    written = "# Please\n\nwrite **my essay**\n\n- Or do it"
    plain = found.replace("*", "")

    html = render(written, [(start := max(written.find(found), 0), start + len(found), "the-rule")])

    marked = "".join(part.split("</mark>")[0] for part in (html or "").split('title="Found by the-rule">')[1:])
    assert html is None or "".join(marked.split()) == "".join(plain.replace("- ", "").split())


def test_a_match_over_several_tags_is_marked_in_each() -> None:
    html = shown("a **b** c", "a **b** c".replace("a ", ""))

    assert html.count("<mark") == html.count("</mark>") == 2


def test_the_name_of_a_rule_is_escaped() -> None:
    assert "Found by &lt;b&gt;" in str(render("words", [(0, 5, "<b>")]))


@pytest.mark.parametrize("unseen", ["\u202e", "\u200b", "\ufeff", "\x1b"])
def test_characters_that_cannot_be_seen_are_shown(unseen: str) -> None:
    html = shown(f"ab{unseen}cd [x](http://a{unseen}b.example)")

    assert unseen not in html
    assert f">U+{ord(unseen):04X}</span>" in html


@pytest.mark.parametrize(
    "written",
    [
        "x" * (markdown.LONGEST + 1),
        "[" * (markdown.MOST_OPENED + 1),
        "- a\n" * (markdown.MOST_LINES + 1),
        "def f(x):\n    return x",
        "a\ufdd0b",
    ],
)
def test_what_takes_long_or_loses_its_shape_stays_source(written: str) -> None:
    assert render(written) is None


@pytest.mark.parametrize(
    "piece", ["[", "![", "*a ", "**a*", "`", "> ", "> a\n", "_a_", "|a", "<", "[a](", "- ", "&#1;", "# a\n"]
)
def test_no_text_takes_long(piece: str) -> None:
    """Seconds are generous here: what grows with the square of the length takes minutes."""
    most = (markdown.MOST_OPENED, markdown.MOST_LINES)
    written = (piece * min(most))[: markdown.LONGEST]
    begun = time.process_time()

    render(written)

    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("Explain  recursion", "Explain recursion"),
        ("Here is my code: ```python def fib(n):", "Here is my code:"),
        (
            "```python\ndef fib(n):\n  pass\n```\nWhy is **this** slow in Python? It takes ages.",
            "Why is this slow in Python?",
        ),
        ("Hi! Can you help me today? I am lost.", "Hi! Can you help me today?"),
        ("# Task\n\n- one", "Task one"),
        ("שלום, איך אני כותב לולאה? תודה.", "שלום, איך אני כותב לולאה?"),
        ("```\nx=1\n```", "x=1"),
        ("What do __init__ and 2*3*4 mean?", "What do __init__ and 2*3*4 mean?"),
        ("See [the page](http://a.example) please", "See the page please"),
        ("", ""),
    ],
)
def test_a_title_is_the_first_sentence_that_was_asked(asked: str, title: str) -> None:
    assert title_of(asked) == title
    assert title_of(title) == title


def test_a_long_title_says_that_it_goes_on() -> None:
    assert title_of("word " * 100).endswith("…")
    assert len(title_of("word " * 100)) <= 120
