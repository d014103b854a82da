"""One event is one line of the log, whatever words of other people are in it."""

import contextvars
import json
import logging
import re
from typing import Any

import httpx
import pytest

from apps.common import tracing
from gateway_project.observability.logs import JsonFormatter, LogFormatter
from tests.live import Gateway

FORGED = "2026-12-01 08:00:00,000 ERROR apps.quotas: All is lost"
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2K", "\0", "\u202e", "\x9b"]


def line(
    message: str, *arguments: object, error: Exception | None = None, formatter: logging.Formatter | None = None
) -> str:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("apps.chat", logging.ERROR, __file__, 1, message, arguments, exc_info)
    return (formatter or LogFormatter()).format(record)


@pytest.mark.parametrize("cut", BREAKS, ids=ascii)
def test_nothing_that_is_logged_begins_a_line_or_moves_the_cursor(cut: str) -> None:
    logged = line("Nothing at %s", f"/v1/models{cut}{FORGED}")

    assert len(logged.splitlines()) == 1
    assert logged.isprintable()
    assert cut.encode("unicode_escape").decode() in logged


def test_a_traceback_is_in_the_same_line() -> None:
    try:
        raise ValueError(f"cannot read \n{FORGED}")
    except ValueError as caught:
        logged = line("It failed", error=caught)

    assert len(logged.splitlines()) == 1
    assert "It failed\\nTraceback (most recent call last)" in logged
    assert logged.endswith(f"ValueError: cannot read \\n{FORGED}")


def test_words_of_any_script_stay_as_they_are() -> None:
    assert line("Kurssi %s: 'ä' 学生 👋", "a\\b").endswith("Kurssi a\\b: 'ä' 学生 👋")


def test_a_line_of_json_has_the_ids_of_request_and_trace() -> None:
    def logged() -> Any:
        tracing.request_id.set("0193")
        tracing.current.set(tracing.Trace("4bf9"))
        return json.loads(line("It %s", "failed\n{}", error=ValueError("why"), formatter=JsonFormatter()))

    found = contextvars.copy_context().run(logged)

    assert (found["message"], found["level"], found["logger"]) == ("It failed\n{}", "ERROR", "apps.chat")
    assert (found["request_id"], found["trace_id"]) == ("0193", "4bf9")
    assert found["traceback"] == "ValueError: why"


@pytest.mark.parametrize("cut", BREAKS, ids=ascii)
def test_nothing_begins_a_second_line_of_json(cut: str) -> None:
    logged = line("Nothing at %s", f"/v1/models{cut}{FORGED}", formatter=JsonFormatter())

    assert logged.isascii() and len(logged.splitlines()) == 1
    assert json.loads(logged)["message"].endswith(f"{cut}{FORGED}")


SECRETS = {
    "Bearer stoa_sk_0123456789abcdef": "Bearer ***",
    "key stoa_stf_0123456789abcdef is": "key *** is",
    "sk-proj-0123456789abcdef": "***",
    "postgresql://stoa:pass-word@db.example.edu/stoa": "postgresql://***@db.example.edu/stoa",
    "null value\nDETAIL:  Failing row contains (1, Solve my homework).": "null value\\nDETAIL: left out",
    "redis://:pass-word@db.example.edu/0": "redis://***@db.example.edu/0",
}


@pytest.mark.parametrize("formatter", [LogFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("said", SECRETS)
def test_the_words_of_a_library_give_no_secret_away(said: str, formatter: logging.Formatter) -> None:
    logged = line("It failed: %s", said, error=ValueError(said), formatter=formatter)

    assert logged.count(SECRETS[said]) == 2


def test_what_a_database_quotes_is_left_out_to_its_end() -> None:
    said = "null value\nDETAIL:  Failing row contains (1, My essay\nabout my mother, 3).\nCONTEXT:  a trigger"

    logged = line("It failed: %s", said, error=ValueError(said), formatter=LogFormatter())

    assert "mother" not in logged and logged.count("CONTEXT: left out") == 2


LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+: ")


def test_a_client_cannot_forge_a_line(gateway: Gateway) -> None:
    path = "/admin%0A2026-12-01%2008:00:00,000%20ERROR%20forged:%20All%20is%20lost"
    httpx.get(f"{gateway.base_url}{path}", headers={"user-agent": "a\u2028b".encode()})
    httpx.get(f"{gateway.base_url}/v1/models/a%0Ab", headers={"authorization": "Bearer none"})

    assert all(LINE.match(line) and "ERROR forged" not in line[:40] for line in _lines(gateway))


def _lines(gateway: Gateway) -> list[str]:
    return [line for line in gateway.log.read_text().splitlines() if line[:4].isdigit()]
