"""The admin site: its looks, its navigation, and the pages that join several apps."""

from importlib import import_module

from django.contrib import admin


def load_pages() -> None:
    """Register every page of the admin. Harmless when repeated."""
    import_module("gateway_project.site.pages")
    admin.autodiscover()
