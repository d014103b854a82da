from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class GatewayProjectConfig(AppConfig):
    name = "gateway_project"
    verbose_name = "Stoa"
    default = True

    def ready(self) -> None:
        from gateway_project import checks  # noqa: F401


class StoaAdminConfig(admin_apps.AdminConfig):
    """Django's admin with the site of ours."""

    default = False
    default_site = "gateway_project.site.StoaAdminSite"
