"""The Celery application."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_postrun, task_prerun, worker_process_init, worker_ready, worker_shutting_down

from apps.common import spans, tracing
from apps.common.actors import Actor, at_work
from gateway_project.processes.garbage import spare_the_collector

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

app = Celery("stoa")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()  # in every thread
app.autodiscover_tasks(
    ["apps.accounts", "apps.common", "apps.conversations", "apps.operations", "apps.providers", "apps.services"]
)

_spans: dict[str, spans.TraceSpan] = {}  # of the tasks that are running and sampled


@worker_ready.connect
@worker_process_init.connect
def start_tidy(**kwargs: Any) -> None:
    """A garbage collection during a drain would hold the write lock, and delay every call that waits for it."""
    spare_the_collector()
    from apps.operations import live  # has tables, which are not loaded yet when this module is
    from gateway_project.observability import tracing as tracing_of_process

    live.follow()
    tracing_of_process.start()


@task_prerun.connect
def say_who(task: Any, task_id: str = "", **kwargs: Any) -> None:
    """Tell the audit log which task works in this thread, and the log the id of its run."""
    at_work(Actor("task", name=task.name))
    trace = tracing.begun()
    tracing.request_id.set(task_id)
    tracing.current.set(trace)
    span = spans.request(f"task {task.name}", trace=trace.id)
    if span is not spans.NOTHING:
        _spans[task_id] = span.__enter__()


@task_postrun.connect
def end_span(task_id: str = "", state: str = "", **kwargs: Any) -> None:
    """In the same thread."""
    if (span := _spans.pop(task_id, None)) is not None:
        span.end(error="" if state == "SUCCESS" else state)
        span.__exit__(None, None, None)


@worker_shutting_down.connect
def put_jobs_back(**kwargs: Any) -> None:
    """A stopping worker waits for its tasks. Jobs take too long for that, so they are put back in the queue."""
    from apps.common import jobs

    jobs.stopping.set()
