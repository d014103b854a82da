"""How a line of the log looks."""

import logging

from apps.common import tracing


class LogFormatter(logging.Formatter):
    """Time, level, logger and message; and the trace, if it was a request that had something to say."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        trace = tracing.current.get()
        return f"{line} [trace {trace.id}]" if trace is not None else line
