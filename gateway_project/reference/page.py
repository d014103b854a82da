"""Renders the page: the errors of each API, the headers that it reads and sends, and the metrics."""

import re
from collections.abc import Iterator
from itertools import groupby

from gateway_project.env import BASE_DIR
from gateway_project.reference.errors import RaisedError, raised_errors
from gateway_project.reference.headers import READ, SENT, TOLD, unexplained
from gateway_project.reference.metrics import known_metrics
from gateway_project.reference.repeats import repeats

PAGE = BASE_DIR / "docs" / "reference.md"

INTRODUCTION = """# Reference

Every error code, header and metric. `make docs` writes this page from the code.
"""

ERRORS = """
## Errors

Every error has the same body:

```json
{"error": {"message": "...", "type": "invalid_request_error", "param": "model", "code": "model_not_found",
           "request_id": "...", "fixed_by": "you", "charged": 0}}
```

Programs should compare `code`: codes stay the same, while messages may be improved. `fixed_by` says who can solve the
problem: `you`, `instructor` or `operator`. `charged` is the number of tokens that the request cost although it failed.
Some errors have more fields, such as `limit` and `remaining`. In the tables, `…` stands for what depends on the
request, and *varies* means that `fixed_by` depends on the limit that was met.

After the first byte of a stream, an error is the last `data:` event and has the same body; no `[DONE]` follows. If a
provider rejects a request and names a code for it, Stoa passes that code on with status 400.
"""
# Meanings of messages that are composed from parts.
DEPENDS = {
    "invalid_parameter": "Which parameter is wrong, and why.",
    "invalid_value": "Which field is wrong, and what it must be.",
    "missing_required_parameter": "Which field is missing.",
    "blocked_by_rule": "The message that the instructor wrote for the rule.",
    "allowance_in_use": "Which allowance would be enough if calls in progress held less of it, and how much they hold.",
    "insufficient_quota": "Which allowance is used up, when its week ends, and who can give more.",
    "rate_limit_exceeded": "Which limit was met, and when to send the request again.",
}

HEADERS = """
## Headers
"""

METRICS = """
## Metrics

Prometheus reads them at `/metrics`, with `METRICS_TOKEN` as the bearer token. The figures are those of all web
processes together. `/metrics` has the metrics of django-prometheus as well, which cover the admin and the staff API.
Histograms have the suffixes `_bucket`, `_sum` and `_count`.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
"""


_WORD = re.compile(r"[a-z]{3}")


class Unexplained(Exception):
    """An error or a header has no explanation."""


def page() -> str:
    return INTRODUCTION + "".join(_errors()) + "".join(_headers()) + METRICS + "".join(_metrics())


def _errors() -> Iterator[str]:
    yield ERRORS
    for is_staff_api, errors in groupby(raised_errors(), key=lambda error: error.is_staff_api):
        title = "Staff API" if is_staff_api else "Student API"
        yield f"\n### {title}\n\n| Code | Status | Fixed by | Message |\n|---|---|---|---|\n"
        for code, same in groupby(errors, key=lambda error: error.code):
            yield _error(code, list(same))
    yield from repeats(raised_errors())


def _error(code: str, errors: list[RaisedError]) -> str:
    statuses = ", ".join(str(status) for status in sorted({error.status for error in errors}))
    fixed_by = ", ".join(sorted({error.fixed_by or "*varies*" for error in errors}))
    sentences = dict.fromkeys(
        error.sentence if _WORD.search(error.sentence) else DEPENDS.get(code, "") for error in errors
    )
    if "" in sentences:
        raise Unexplained(f"Say in DEPENDS what the message of {code} says.")
    return f"| `{code}` | {statuses} | {fixed_by} | {'<br>'.join(sentences)} |\n"


def _headers() -> Iterator[str]:
    if names := unexplained():
        raise Unexplained(f"READ, SENT and the sources do not name the same headers: {', '.join(sorted(names))}.")
    yield HEADERS
    for title, headers in (("In requests", READ), ("In responses", SENT), ("In requests to services", TOLD)):
        yield f"\n### {title}\n\n| Header | Meaning |\n|---|---|\n"
        yield from (f"| `{name}` | {meaning} |\n" for name, meaning in headers.items())


def _metrics() -> Iterator[str]:
    for metric in known_metrics():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |\n"
