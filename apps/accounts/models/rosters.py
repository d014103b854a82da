"""Uploaded rosters: the table of a file until it is applied, and afterwards what became of it."""

from typing import Any, ClassVar

from django.db import models

from apps.accounts.models.courses import Course
from apps.accounts.models.people import User
from apps.common.translation import lazy as _


class Roster(models.Model):
    """A file of students for a course. The table is deleted when it has been applied."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Not applied yet")
        APPLIED = "applied", _("Applied")

    audit_noun: ClassVar[str] = "roster"

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="rosters")
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    file_name = models.CharField(max_length=200)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)
    # {"header": [...], "rows": [[...]], "lines": [...]}, and which column is which field
    table: Any = models.JSONField(default=dict)
    columns: Any = models.JSONField(default=dict)
    result: Any = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("course", "-id"), name="rosters_of_a_course"),)

    def __str__(self) -> str:
        return self.file_name
