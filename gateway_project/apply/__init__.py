"""Configuration as code: makes the database agree with a YAML file. Read, validate, plan, show, perform.

Each stage takes the previous stage's value and reports every mistake that it finds, so later stages see valid values
only. Nothing is written before `perform`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError

from apps.accounts.audit import record
from apps.services.models import together
from gateway_project.apply.changes import Change, advice, lines
from gateway_project.apply.document import read
from gateway_project.apply.mistakes import Mistake, Mistakes
from gateway_project.apply.perform import perform
from gateway_project.apply.plan import plan
from gateway_project.apply.validate import validate

__all__ = ["Mistakes", "apply"]

FIRST_CHANGES = 100  # that the audit log names


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
        try:
            with together(note=f"applied from {source}"):
                record("configuration.applied", after=_told(raw, source, changes), note="Pruned." if prune else "")
                perform(changes, now=now)
        except ValidationError as error:  # of what a row may be beside others, such as an allowance below its ceiling
            raise Mistakes(source, [Mistake(1, (), sentence) for sentence in error.messages]) from error
    return changes


def _told(raw: bytes, source: str, changes: Sequence[Change]) -> dict[str, Any]:
    """The entry of the file as a whole; each row has one of its own."""
    return {
        "file": source,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "changes": len(changes),
        "first_changes": list(dict.fromkeys(change.title for change in changes))[:FIRST_CHANGES],
    }
