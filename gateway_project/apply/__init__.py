"""Configuration as code: makes the database agree with a YAML file. Read, validate, plan, show, perform.

Each stage takes the previous stage's value and reports every mistake that it finds, so later stages see valid values
only. Nothing is written before `perform`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from django.db import transaction

from gateway_project.apply.changes import Change, advice, lines
from gateway_project.apply.document import read
from gateway_project.apply.mistakes import Mistakes
from gateway_project.apply.perform import perform
from gateway_project.apply.plan import plan
from gateway_project.apply.validate import validate

__all__ = ["Mistakes", "apply"]


def apply(
    raw: bytes,
    *,
    source: str,
    environment: Mapping[str, str],
    prune: bool = False,
    dry_run: bool = False,
    show: Callable[[str], object] = lambda line: None,
) -> list[Change]:
    """Make the database agree with a file, and show how it differed. Raises Mistakes without changing anything.

    `environment` holds the secrets that the file names. What the file omits stays, unless `prune`.
    """
    now = datetime.now(UTC)
    document = read(raw, source=source)
    file = validate(document)
    changes = plan(document, file, environment=environment, prune=prune, now=now)
    for line in (*lines(changes), *advice(changes)):
        show(line)
    if changes and not dry_run:
        with transaction.atomic():
            perform(changes, now=now)
    return changes
