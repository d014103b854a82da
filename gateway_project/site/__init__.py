"""The admin site: its theme, its navigation, and the pages that combine several apps."""

from importlib import import_module

from django.contrib import admin


def load_pages() -> None:
    """Register every page of the admin. Safe to repeat."""
    import_module("gateway_project.site.courses")
    import_module("gateway_project.site.deployments")
    import_module("gateway_project.site.providers")
    admin.autodiscover()
