"""The format of log lines."""

import logging

from apps.common import tracing


class LogFormatter(logging.Formatter):
    """Time, level, logger and message, and the id of the trace if there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        trace = tracing.current.get()
        return f"{line} [trace {trace.id}]" if trace is not None else line
