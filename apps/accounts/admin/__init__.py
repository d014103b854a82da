"""Admin pages of people, their keys, issuers, and jobs."""

from django.contrib import admin

from apps.accounts.admin import api_keys, audit, departments, issuers, members, staff_keys, token_families, users
from apps.accounts.admin.jobs import JobAdmin
from apps.common.models import Job

__all__ = ["api_keys", "audit", "departments", "issuers", "members", "staff_keys", "token_families", "users"]

# Jobs are rows of `common`, which has no admin pages of its own.
admin.site.register(Job, JobAdmin)
