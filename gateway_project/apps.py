from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class GatewayProjectConfig(AppConfig):
    name = "gateway_project"
    verbose_name = "Stoa"
    default = True

    def ready(self) -> None:
        from django.conf import settings

        from gateway_project import checks  # noqa: F401

        if not settings.CELERY_BROKER_URL.startswith("memory:"):
            from gateway_project import celery  # noqa: F401  # whom new jobs are told to


class StoaAdminConfig(admin_apps.AdminConfig):
    """Django's admin with the site of ours."""

    default = False
    default_site = "gateway_project.site.StoaAdminSite"
