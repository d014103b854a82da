"""Departments, which group courses, and the people who administer them."""

from typing import ClassVar

from django.db import models

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models.fields import TOPIC
from apps.accounts.models.people import User
from apps.common.translation import lazy as _


class Department(AuditedModel):
    topic: ClassVar[str] = TOPIC

    slug = models.SlugField(max_length=60, unique=True, help_text=_("Short name in files, such as physics."))
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.title or self.slug


class DepartmentAdmin(AuditedModel):
    """Lets a member of staff see and change all courses of a department, as their instructors do."""

    topic: ClassVar[str] = TOPIC

    department = models.ForeignKey(Department, on_delete=models.CASCADE, related_name="admins")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="administers")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("department", "user")
        constraints = (
            models.UniqueConstraint(fields=("department", "user"), name="one_admin_per_department_and_user"),
        )

    def __str__(self) -> str:
        return f"{self.user}, {self.department}"
