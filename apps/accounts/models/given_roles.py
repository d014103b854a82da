"""What people have from groups, remembered so that it can be taken again."""

from django.db import models
from django.db.models import Q

from apps.accounts.models.courses import Course
from apps.accounts.models.departments import Department
from apps.accounts.models.issuers import Issuer
from apps.accounts.models.people import User
from apps.common.translation import lazy as _


class GivenRole(models.Model):
    """One thing that a person has, or had, from groups of an issuer. Sign-in alone writes these rows.

    What has no row was given by hand, and sign-in never takes it. A row stays when its role is taken, since a member
    whom sign-in made inactive may come back, unlike one who was made inactive by hand.
    """

    class Kind(models.TextChoices):
        COURSE = "course", _("Role in a course")
        DEPARTMENT = "department", _("Admin of a department")
        OPERATOR = "operator", _("Operator")
        STAFF = "staff", _("May use the admin")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="given_roles")
    # Deleting an issuer must not leave what its groups gave as if it had been given by hand.
    issuer = models.ForeignKey(Issuer, on_delete=models.PROTECT, related_name="given_roles")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    course = models.ForeignKey(Course, on_delete=models.CASCADE, null=True, related_name="given_roles")
    department = models.ForeignKey(Department, on_delete=models.CASCADE, null=True, related_name="given_roles")
    role = models.CharField(max_length=10, blank=True, help_text=_("What the groups give in the course."))
    by_hand = models.CharField(
        max_length=10, blank=True, help_text=_("What the person has without the groups: a role, or “yes”.")
    )
    is_held = models.BooleanField(default=True, help_text=_("The groups still give it."))
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("user", "kind", "id")
        constraints = (
            models.UniqueConstraint(fields=("user", "issuer", "course"), name="one_given_role_per_course"),
            models.UniqueConstraint(fields=("user", "issuer", "department"), name="one_given_role_per_department"),
            models.UniqueConstraint(
                fields=("user", "issuer", "kind"),
                condition=Q(kind__in=("operator", "staff")),
                name="one_given_role_per_person",
            ),
            models.CheckConstraint(
                condition=Q(kind="course", course__isnull=False, department__isnull=True)
                | Q(kind="department", course__isnull=True, department__isnull=False)
                | Q(kind__in=("operator", "staff"), course__isnull=True, department__isnull=True),
                name="a_given_role_is_of_one_kind",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.told} from {self.issuer}"

    @property
    def told(self) -> str:
        """What it is, in words."""
        if self.course is not None:
            return f"{self.role} of {self.course.slug}"
        return f"admin of {self.department.slug}" if self.department is not None else self.get_kind_display()
