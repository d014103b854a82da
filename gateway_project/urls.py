"""Addresses of the control plane. The data plane's are in `api.py`."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
