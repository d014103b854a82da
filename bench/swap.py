"""How late the event loop is while another rulebook takes over; a part of `python -m bench.rules`.

As in production: a thread reads the revision and the rules from the database, compiles them and lets the old ones go.
The database is SQLite, in a temporary directory.
"""

import gc
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from bench.lateness import lateness


def figures(*, patterns: Callable[[int], Sequence[str]], rules: int, prompt: str) -> None:
    """Of so many rules with patterns that are made anew each time. The old ones have looked at the prompt."""
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as directory:
        os.environ["GATEWAY_DATA_DIR"] = directory
        os.environ.pop("DATABASE_URL", None)  # what is measured deletes rules
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        _measure(patterns, rules, prompt)


def _measure(patterns: Callable[[int], Sequence[str]], rules: int, prompt: str) -> None:
    from apps.accounts.models import Course
    from apps.common.revisions import refresh_all
    from apps.rules.models import Rule
    from apps.rules.snapshot import rulebooks

    course = Course.objects.create(slug="bench", title="Bench")
    snapshot, took, numbers = rulebooks(), list[float](), count()

    def swap() -> None:
        started = time.thread_time()
        refresh_all([snapshot])
        took.append((time.thread_time() - started) * 1e3)

    def replace_all() -> None:
        if took:
            snapshot.current[course.pk].matcher.found(prompt)  # type: ignore[union-attr]
        Rule.objects.all().delete()
        Rule.objects.bulk_create(_rule(course, name, pattern) for name, pattern in enumerate(patterns(rules)))
        gc.collect()  # of what was done here; in production somebody else edits

    def edit_one() -> None:
        Rule.objects.filter(name="rule-0").update(pattern=f"edited{next(numbers)}")
        gc.collect()

    replace_all()
    swap()
    gc.freeze()  # as the server does after its start
    for name, prepare, work in (
        ("nothing, to compare", lambda: None, lambda: time.sleep(0.1)),
        (f"all {rules} rules new", replace_all, swap),
        (f"one of {rules} rules edited", edit_one, swap),
    ):
        took.clear()
        late = lateness(work, prepare=prepare)
        of_thread = f", {sorted(took)[len(took) // 2]:.0f} ms of work each" if took else ""
        print(f"swap, {name:24} {late}{of_thread}")


def _rule(course: Any, number: int, pattern: str) -> Any:
    from apps.rules.models import Rule

    return Rule(course=course, name=f"rule-{number}", pattern=pattern, action="block", stage="enforce", message="No.")
