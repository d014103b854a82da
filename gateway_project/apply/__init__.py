"""Configuration as code: a YAML file that says what there should be. Read, validate, plan, show, perform.

Each stage takes the value of the one before. Until `perform` nothing is written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from django.db import transaction

from gateway_project.apply.changes import Change, lines
from gateway_project.apply.document import Document, read
from gateway_project.apply.mending import is_consequence
from gateway_project.apply.mistakes import Mistake, Mistakes
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
    """Make the database agree with a file and show how it differed. Raises Mistakes, having changed nothing.

    `environment` holds the secrets that the file names. What the file omits stays, unless `prune`.
    """
    now = datetime.now(UTC)
    document = read(raw, source=source)
    file, mistakes = validate(document)
    changes, further = plan(document, file, environment=environment, prune=prune, now=now)
    if mistakes or further:
        raise Mistakes(source, [*mistakes, *_independent(further, of=mistakes, document=document)])
    for line in lines(changes):
        show(line)
    if changes and not dry_run:
        with transaction.atomic():
            perform(changes, now=now)
    return changes


def _independent(further: Iterable[Mistake], *, of: Iterable[Mistake], document: Document) -> Iterator[Mistake]:
    for mistake in further:
        if not any(is_consequence(mistake, of=earlier.path, document=document) for earlier in of):
            yield mistake
