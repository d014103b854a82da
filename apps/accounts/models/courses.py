"""Courses, and who sees and changes them."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from apps.accounts import permissions
from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models.departments import Department
from apps.accounts.models.fields import TOPIC, Role, Weekday, validate_timezone
from apps.accounts.permissions import Position, Verb
from apps.common.hosting import Demand, Most
from apps.common.translation import lazy as _


class CourseQuerySet(AuditedQuerySet):
    def for_staff(self, user: Any, thing: str = "Course") -> "CourseQuerySet":
        """Courses of which this user may see the rows of this kind."""
        return self.open_to(user, Verb.SEE, thing)

    def for_instructor(self, user: Any, thing: str = "Course") -> "CourseQuerySet":
        """Courses of which this user may change the rows of this kind."""
        return self.open_to(user, Verb.CHANGE, thing)

    def open_to(self, user: Any, verb: Verb, thing: str) -> "CourseQuerySet":
        """Courses in which this user may do this to the rows of a model."""
        if not permissions.works_here(user):
            return self.none()
        may = permissions.positions(verb, thing)
        if permissions.is_operator(user):
            return self if Position.OPERATOR in may else self.none()
        roles = [role for role in Role.staff() if Position(role) in may]
        taught = user.memberships.filter(is_active=True, role__in=roles).order_by()
        found = Q(pk__in=taught.values("course"))
        if Position.DEPARTMENT_ADMIN in may:
            found |= Q(department__in=user.administers.order_by().values("department"))
        return self.filter(found)


class Course(AuditedModel):
    topic: ClassVar[str] = TOPIC

    class Logging(models.TextChoices):
        FULL = "full", _("Full: who, when, how much, and the text")
        METADATA = "metadata", _("Metadata: who, when, how much and rule hits, no text")
        OFF = "off", _("Off: only what accounting needs")

    slug = models.SlugField(
        max_length=60, unique=True, help_text=_("Short name in addresses and files, such as cs101.")
    )
    title = models.CharField(max_length=200)
    department = models.ForeignKey(
        Department,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="courses",
        help_text=_("Its admins see and change the course, as its instructors do."),
    )
    timezone = models.CharField(
        max_length=60,
        default="UTC",
        validators=[validate_timezone],
        help_text=_("The week turns at midnight here, such as Europe/Helsinki."),
    )
    week_starts = models.CharField(max_length=9, choices=Weekday.choices, default=Weekday.MONDAY)
    is_open = models.BooleanField(_("open"), default=True, help_text=_("A closed course refuses every call."))
    logging = models.CharField(
        max_length=8, choices=Logging.choices, default=Logging.FULL, help_text=_("What staff can read afterwards.")
    )
    hosting = models.CharField(
        max_length=10,
        choices=Most.choices,
        blank=True,
        help_text=_("The farthest that prompts may go. Models that answer only from farther away are refused."),
    )
    region = models.SlugField(
        max_length=40,
        blank=True,
        db_index=False,
        help_text=_("Prompts stay at providers of this region: eu admits eu and eu-north. Empty: any region."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CourseQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.title or self.slug

    @property
    def demand(self) -> Demand:
        """Where the course's prompts may go."""
        return Demand(self.hosting, self.region)
