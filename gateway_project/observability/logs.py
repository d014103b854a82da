"""The format of log lines: one event is one line, whoever may have chosen the words in it, and none has a secret."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from apps.common import tracing

# Line breaks of all kinds, signs that terminals obey, and those that change the direction of what follows.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Nobody logs one on purpose. They may be in the text of an error of a library.
_SECRETS = re.compile(
    r"\b(?:stoa_(?:sk|svc|stf)_|whsec_|sk-|gsk_|AIza)[\w+/=-]{8,}|(?<=Bearer )[\w.~+/=-]{8,}|(?<=://)[^\s/@]*:[^\s/@]+(?=@)"
)
# PostgreSQL quotes the row that it refuses, with the text in it, which may have line breaks.
_QUOTED = re.compile(
    r"\n(DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+):.*?"
    r"(?=\n(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LINE \d+|Traceback|\nThe above|\nDuring handling|[\w.]+Error: )|\Z)",
    re.DOTALL,
)


class LogFormatter(logging.Formatter):
    """Time, level, logger and message, and the ids of request and trace if there are any; a traceback follows in the
    same line.

    Control characters are written as in Python: `\\n` for the end of a line.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = "".join(f" [{name} {id}]" for name, id in _ids().items())
        return super().formatMessage(record) + ids

    def format(self, record: logging.LogRecord) -> str:
        return _CONTROLS.sub(_escaped, cleaned(super().format(record)))


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII, so that nobody's text makes a second line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": cleaned(record.getMessage()),
            **{f"{name}_id": id for name, id in _ids().items()},
            "process": record.process,
        }
        if record.exc_info:
            fields["traceback"] = cleaned(self.formatException(record.exc_info))
        if record.stack_info:
            fields["stack"] = cleaned(record.stack_info)
        return json.dumps(fields)


def cleaned(text: str) -> str:
    """Without what looks like a secret, and without what a database quotes."""
    return _SECRETS.sub("***", _QUOTED.sub(r"\n\1: left out", text))


def _ids() -> dict[str, str]:
    request, trace = tracing.request_id.get(), tracing.current.get()
    return ({"request": request} if request else {}) | ({"trace": trace.id} if trace is not None else {})


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()
