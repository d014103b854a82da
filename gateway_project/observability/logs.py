"""The format of log lines: one event is one line, whoever may have chosen the words in it."""

import logging
import re

from apps.common import tracing

# Line breaks of all kinds, signs that terminals obey, and those that change the direction of what follows.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class LogFormatter(logging.Formatter):
    """Time, level, logger and message, and the id of the trace if there is one; a traceback follows in the same line.

    Control characters are written as in Python: `\\n` for the end of a line.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        trace = tracing.current.get()
        return f"{line} [trace {trace.id}]" if trace is not None else line

    def format(self, record: logging.LogRecord) -> str:
        return _CONTROLS.sub(_escaped, super().format(record))


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()
