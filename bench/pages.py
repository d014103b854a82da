"""`GATEWAY_DATA_DIR=... python -m bench.pages [WORDS]`: what the pages of the admin cost on the data of a directory.

Prints the median of five warm requests by the clock and in CPU, the queries and the size of each page, as an operator
and as an instructor, and marks what is over its bound. `WORDS` picks pages by a part of their name. Make data first:

    GATEWAY_DATA_DIR=/tmp/large manage.py make_demo_data --calls 1000000 --courses 50

Requests run in this process, one after another, so nothing but the page is measured. On SQLite, all of its work is CPU
of this process: that is what the bound is compared with, because other work on the machine slows the clock. On
PostgreSQL it is the clock. A page that takes less than a third of its bound is asked once.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
os.environ.setdefault("LOG_LEVEL", "ERROR")

MOST_MS, MOST_QUERIES, MOST_KB = 300.0, 25, 150.0
RUNS = 5


@dataclass(frozen=True, slots=True)
class PageCost:
    clock: float
    cpu: float
    queries: int
    kb: float
    status: int
    is_alone: bool  # nobody else works for it, as a database server would

    @property
    def ms(self) -> float:
        return self.cpu if self.is_alone else self.clock

    def __str__(self) -> str:
        return f"{self.clock:7.0f}{self.cpu:7.0f}{self.queries:9}{self.kb:7.0f}  {self.over}"

    @property
    def over(self) -> str:
        found = [
            *(["time"] if self.ms > MOST_MS else []),
            *(["queries"] if self.queries > MOST_QUERIES else []),
            *(["size"] if self.kb > MOST_KB else []),
            *([f"status {self.status}"] if self.status != 200 else []),
        ]
        return ", ".join(found)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("words", nargs="?", default="", help="only pages with this in their name")
    options.add_argument("--person", choices=("operator", "instructor"), help="only as one of them")
    options.add_argument("--over", action="store_true", help="print only what is over its bound")
    chosen = options.parse_args()
    if "GATEWAY_DATA_DIR" not in os.environ:
        sys.exit("Set GATEWAY_DATA_DIR to a directory with demo data.")
    import django

    django.setup()
    count = over = 0
    for person in [chosen.person] if chosen.person else ["operator", "instructor"]:
        print(f"{f'As {person}':74}{'ms':>7}{'CPU':>7}{'queries':>9}{'kB':>7}")
        for name, cost in _measured(person, chosen.words):
            count, over = count + 1, over + bool(cost.over)
            if cost.over or not chosen.over:
                print(f"{name[:73]:74}{cost}", flush=True)
    print(f"{count} pages, {over} over {MOST_MS:.0f} ms, {MOST_QUERIES} queries or {MOST_KB:.0f} kB")


def _measured(person: str, words: str) -> Iterator[tuple[str, PageCost]]:
    from bench.page_list import pages_of

    client, courses = _signed_in(person)
    for name, address in pages_of(client, courses):
        if words in name:
            yield name, _cost(client, address)


def _signed_in(person: str) -> tuple[Any, Any]:
    """A client that is signed in, and the courses that this person may see, with the most calls first."""
    from django.conf import settings
    from django.db.models import Sum
    from django.test import Client

    from apps.accounts.models import Course, User
    from apps.conversations.models import CourseUse

    settings.ALLOWED_HOSTS = ["*"]
    is_operator = person == "operator"
    user = User.objects.filter(is_superuser=is_operator, is_staff=True, is_active=True).order_by("pk").first()
    if user is None:
        sys.exit(f"There is no {person}: fill the directory with `manage.py make_demo_data`.")
    client = Client(raise_request_exception=True)
    client.force_login(user)
    calls = dict(CourseUse.objects.order_by().values_list("course").annotate(calls=Sum("calls")))
    courses = Course.objects.for_staff(user)
    return client, sorted(courses, key=lambda course: -calls.get(course.pk, 0))


def _cost(client: Any, address: str) -> PageCost:
    client.get(address)
    costs = [_once(client, address)]
    while len(costs) < RUNS and costs[0].ms > MOST_MS / 3:
        costs.append(_once(client, address))
    clock, cpu = (statistics.median(getattr(cost, name) for cost in costs) for name in ("clock", "cpu"))
    return replace(costs[-1], clock=clock, cpu=cpu)


def _once(client: Any, address: str) -> PageCost:
    from django.db import connection

    queries = 0

    def counted(execute: Any, *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    clock, cpu = time.perf_counter(), time.process_time()
    with connection.execute_wrapper(counted):
        response = client.get(address)
    clock, cpu = (time.perf_counter() - clock) * 1e3, (time.process_time() - cpu) * 1e3
    is_alone = connection.vendor == "sqlite"
    return PageCost(clock, cpu, queries, len(response.content) / 1000, response.status_code, is_alone)


if __name__ == "__main__":
    main()
