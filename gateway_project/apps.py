from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks

from gateway_project.site import load_pages


class GatewayProjectConfig(AppConfig):
    name = "gateway_project"
    verbose_name = "Stoa"
    default = True

    def ready(self) -> None:
        from django.conf import settings

        from gateway_project import checks, names  # noqa: F401
        from gateway_project.observability import slow_queries

        names.translate()
        slow_queries.watch()

        if not settings.CELERY_BROKER_URL.startswith("memory:"):
            from gateway_project import celery  # noqa: F401  # new jobs are sent through it


class StoaAdminConfig(admin_apps.AdminConfig):
    """Django's admin with our own site.

    Only `urls.py` and the checks load its pages. Django's own configuration would load them in every process, although
    the supervisor, Celery's processes and the data plane show none.
    """

    default = False
    default_site = "gateway_project.site.admin_site.StoaAdminSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(app_configs: Sequence[Any] | None, **options: Any) -> list[checks.CheckMessage]:
    load_pages()
    return check_admin_app(app_configs, **options)
