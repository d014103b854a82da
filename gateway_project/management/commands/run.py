"""`manage.py run`: starts everything that one machine needs, in the foreground."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway_project.databases import disconnect
from gateway_project.observability import metrics
from gateway_project.processes.supervisor import Supervisor, bind

STOP_MARGIN = 25.0  # seconds to end streams, settle them, flush the spool and close connections


class Command(BaseCommand):
    help = "Start the web processes and, with the in-memory broker, one Celery process. Ctrl-C stops all of it."
    requires_system_checks = ["stoa"]  # only the quick checks of this installation

    def handle(self, *args: Any, **options: Any) -> None:
        env = settings.ENV
        try:
            listener = bind(env.bind_address, env.port)
        except OSError as error:
            raise CommandError(str(error)) from error
        if not env.is_production:
            self._prepare_demo(f"http://{_host(env.bind_address)}:{listener.getsockname()[1]}")
        disconnect()
        supervisor = Supervisor(listener, grace=env.shutdown_timeout_seconds + STOP_MARGIN)
        if env.web_concurrency > 1:
            metrics.share(settings.DATA_DIR / "metrics")
        for _ in range(env.web_concurrency):
            arguments = ["-m", "gateway_project.processes.web", str(listener.fileno()), str(supervisor.parent_pipe)]
            supervisor.add("web", arguments, descriptors=(listener.fileno(),))
        if env.celery_broker_url == "memory://":
            supervisor.add("celery", ["-m", "gateway_project.processes.worker", str(supervisor.parent_pipe)])
        supervisor.run()

    def _prepare_demo(self, base_url: str) -> None:
        from gateway_project.demo import banner, ensure_demo

        demo = ensure_demo(data_dir=settings.DATA_DIR, base_url=base_url)
        if demo is not None:
            self.stdout.write(banner(demo))
            self.stdout.flush()


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
