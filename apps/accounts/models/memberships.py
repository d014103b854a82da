"""Memberships: people in courses."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models.courses import Course
from apps.accounts.models.fields import TOPIC, Role
from apps.accounts.models.people import User
from apps.common.searching import words
from apps.common.translation import lazy as _


class MembershipQuerySet(AuditedQuerySet):
    def for_staff(self, user: Any) -> "MembershipQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user, "Membership"))

    def matching(self, term: str) -> "MembershipQuerySet":
        """Members that match a search: each word is part of the external id, the name or the e-mail address.

        Raises SearchTooLong.
        """
        members = self
        for word in words(term):
            members = members.filter(_matches(word))
        return members


def _matches(word: str) -> Q:
    """Looks at what the staff of the course are shown, or they could guess the rest letter by letter."""
    person = ("email", "first_name", "last_name", "username")
    own = Q(external_id__icontains=word) | Q(shown_name__icontains=word) | Q(shown_email__icontains=word)
    theirs = reduce(or_, (Q(**{f"user__{name}__icontains": word}) for name in person))
    return own | (Q(shown_email="") & theirs)


class Membership(AuditedModel):
    """A person in a course. `external_id` is the university's id for the person, unique within the course.

    Staff who add somebody by e-mail address see what they typed (`shown_name`, `shown_email`), and nothing else of the
    person who has that address, who may be known from other courses.
    """

    topic: ClassVar[str] = TOPIC
    audit_hidden: ClassVar[frozenset[str]] = frozenset({"user"})  # its number tells who was known before

    audit_noun: ClassVar[str] = "membership"

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    external_id = models.CharField(
        _("student number"), max_length=100, help_text=_("The university’s number or name for this student.")
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.STUDENT)
    is_active = models.BooleanField(_("active"), default=True, help_text=_("Keys of an inactive student are refused."))
    shown_name = models.CharField(max_length=301, blank=True, default="", editable=False)
    shown_email = models.EmailField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # Whom a roster brought, a later one without them deactivates; the same person is active again once one has them.
    roster = models.ForeignKey(
        "accounts.Roster", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="brought"
    )
    left_roster = models.BooleanField(default=False, db_default=False, editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("student")
        ordering = ("course", "external_id")
        constraints = (
            models.UniqueConstraint(fields=("course", "external_id"), name="one_member_per_external_id"),
            models.UniqueConstraint(fields=("course", "user"), name="one_membership_per_user_and_course"),
        )

    def __str__(self) -> str:
        return f"{self.person} in {self.course.slug}"

    def clean(self) -> None:
        stored = Membership.objects.filter(pk=self.pk).values_list("role", flat=True).first()
        if stored is not None and (stored == Role.SERVICE) != (self.role == Role.SERVICE):
            raise ValidationError({"role": gettext("A service account is no person: add one of its own instead.")})
        # Forms that leave out the course skip the constraints that include it.
        same = Membership.objects.filter(course=self.course_id, external_id=self.external_id)
        if self.course_id is not None and same.exclude(pk=self.pk).exists():
            raise ValidationError(
                {"external_id": gettext("{course} already has somebody with this number.").format(course=self.course)}
            )

    # Factories

    @classmethod
    def enrol(
        cls,
        *,
        course: Course,
        external_id: str,
        role: str = Role.STUDENT,
        email: str = "",
        first_name: str = "",
        last_name: str = "",
        by: Any = None,
    ) -> "Membership":
        """Add a person to a course: the user with this e-mail address, or else a new user without a password.

        `by` is who adds them; unless that is an operator, the course sees of the person what was typed here.
        """
        with transaction.atomic():
            user = User.objects.filter(email__iexact=email).first() if email else None
            user = user or User.objects.create_user(
                User.free_username(email or f"{course.slug}.{external_id}"),
                email,
                first_name=first_name,
                last_name=last_name,
            )
            typed = {"shown_name": f"{first_name} {last_name}".strip(), "shown_email": email}
            shown = typed if email and by is not None and not by.is_superuser else {}
            return cls.objects.create(course=course, user=user, external_id=external_id, role=role, **shown)

    # Properties

    @property
    def name(self) -> str:
        """The person's name as the staff of the course know it, which may be empty."""
        return self.shown_name if self.shown_email else self.user.get_full_name()

    @property
    def email(self) -> str:
        return self.shown_email or str(self.user.email)

    @property
    def person(self) -> str:
        """What the staff of the course call this member."""
        return self.name or self.shown_email or str(self.user)
