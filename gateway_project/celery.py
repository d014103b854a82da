"""The Celery application."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_ready, worker_shutting_down

from gateway_project.processes.garbage import spare_the_collector

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

app = Celery("stoa")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()  # for every thread, that is
app.autodiscover_tasks(["apps.common", "apps.conversations"])


@worker_ready.connect
@worker_process_init.connect
def start_tidy(**kwargs: Any) -> None:
    """A collection in the middle of draining would hold the one lock for writing, and every call that waits for it."""
    spare_the_collector()


@worker_shutting_down.connect
def put_jobs_back(**kwargs: Any) -> None:
    """A worker that stops waits for its tasks; long work is put back rather than waited for."""
    from apps.common import jobs

    jobs.stopping.set()
