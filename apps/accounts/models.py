"""Users, courses, memberships and API keys."""

import itertools
import re
import zoneinfo
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q

from apps.accounts import keys
from apps.common.hosting import Demand, Most
from apps.common.models import RevisedModel, RevisedQuerySet, Revision

TOPIC = "principals"


def validate_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"“{name}” is not a time zone. Use a name such as Europe/Helsinki or America/New_York.")


class Weekday(models.TextChoices):
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"

    @property
    def number(self) -> int:
        """As in `date.weekday()`: Monday is 0."""
        return list(type(self)).index(self)


class PersonManager(UserManager.from_queryset(RevisedQuerySet)):  # type: ignore[misc]
    """Django's manager of users, with bulk writes that bump the revision."""

    use_in_migrations = False


class User(AbstractUser):
    """A person. Staff sign in with a password; students usually have only an API key."""

    topic: ClassVar[str] = TOPIC

    objects: ClassVar[PersonManager] = PersonManager()

    def __str__(self) -> str:
        return self.get_full_name() or self.email or self.username

    def save(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            super().save(*args, **options)
            if set(options.get("update_fields") or ()) != {"last_login"}:
                Revision.bump(TOPIC)

    @classmethod
    def free_username(cls, wanted: str) -> str:
        """`wanted`, with a number appended if it is taken."""
        stem = re.sub(r"[^\w.@+-]", "-", wanted)[:140]
        candidates = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        return next(name for name in candidates if not cls.objects.filter(username=name).exists())

    @staticmethod
    def placeholder_name(course_slug: str, external_id: str) -> str:
        """A user name for a member whose person is unknown, distinct for each member."""
        # "+" itself is escaped too, so no two external ids give the same name.
        spelled = re.sub(r"[^\w.@-]", lambda match: f"+{ord(match[0]):x}", external_id)
        return f"{course_slug}.{spelled}"[:150]

    @property
    def teaches(self) -> Q:
        """A filter on Course for those in which this person is staff."""
        return Q(memberships__user=self, memberships__is_active=True, memberships__role__in=Role.staff())


class CourseQuerySet(RevisedQuerySet):
    def for_staff(self, user: Any) -> "CourseQuerySet":
        """Courses whose rows this user may see: all for operators, their own for instructors and assistants."""
        if not (user.is_active and user.is_staff):
            return self.none()
        return self if user.is_superuser else self.filter(user.teaches).distinct()

    def for_instructor(self, user: Any) -> "CourseQuerySet":
        """Courses whose settings this user may change."""
        if not (user.is_active and user.is_staff):
            return self.none()
        if user.is_superuser:
            return self
        instructs = Q(memberships__user=user, memberships__is_active=True, memberships__role=Role.INSTRUCTOR)
        return self.filter(instructs).distinct()


class Course(RevisedModel):
    topic: ClassVar[str] = TOPIC

    class Logging(models.TextChoices):
        FULL = "full", "Full: who, when, how much, and the text"
        METADATA = "metadata", "Metadata: who, when, how much and rule hits, no text"
        OFF = "off", "Off: only what accounting needs"

    slug = models.SlugField(max_length=60, unique=True, help_text="Short name in addresses and files, such as cs101.")
    title = models.CharField(max_length=200)
    timezone = models.CharField(
        max_length=60,
        default="UTC",
        validators=[validate_timezone],
        help_text="The week turns at midnight here, such as Europe/Helsinki.",
    )
    week_starts = models.CharField(max_length=9, choices=Weekday.choices, default=Weekday.MONDAY)
    is_open = models.BooleanField("open", default=True, help_text="A closed course refuses every call.")
    logging = models.CharField(
        max_length=8, choices=Logging.choices, default=Logging.FULL, help_text="What staff can read afterwards."
    )
    hosting = models.CharField(
        max_length=10,
        choices=Most.choices,
        blank=True,
        help_text="The farthest that prompts may go. Models that answer only from farther away are refused.",
    )
    region = models.SlugField(
        max_length=40,
        blank=True,
        db_index=False,
        help_text="Prompts stay at providers of this region: eu admits eu and eu-north. Empty: any region.",
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


class Role(models.TextChoices):
    STUDENT = "student"
    ASSISTANT = "assistant"
    INSTRUCTOR = "instructor"

    @classmethod
    def staff(cls) -> tuple["Role", ...]:
        return (cls.ASSISTANT, cls.INSTRUCTOR)


class MembershipQuerySet(RevisedQuerySet):
    def for_staff(self, user: Any) -> "MembershipQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user))

    def matching(self, words: str) -> "MembershipQuerySet":
        """Members that match a search: each word is part of the external id, the name or the e-mail address."""
        members = self
        for word in words.split():
            members = members.filter(
                Q(external_id__icontains=word)
                | Q(user__email__icontains=word)
                | Q(user__first_name__icontains=word)
                | Q(user__last_name__icontains=word)
            )
        return members


class Membership(RevisedModel):
    """A person in a course. `external_id` is the university's id for the person, unique within the course."""

    topic: ClassVar[str] = TOPIC

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    external_id = models.CharField("external ID", max_length=100, help_text="What the university calls this person.")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.STUDENT)
    is_active = models.BooleanField("active", default=True, help_text="Keys of an inactive member are refused.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ("course", "external_id")
        constraints = (
            models.UniqueConstraint(fields=("course", "external_id"), name="one_member_per_external_id"),
            models.UniqueConstraint(fields=("course", "user"), name="one_membership_per_user_and_course"),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.course.slug}"

    def clean(self) -> None:
        # Forms that leave out the course skip the constraints that include it.
        same = Membership.objects.filter(course=self.course_id, external_id=self.external_id)
        if self.course_id is not None and same.exclude(pk=self.pk).exists():
            raise ValidationError({"external_id": f"{self.course} already has a member with this external ID."})

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
    ) -> "Membership":
        """Add a person to a course: the user with this e-mail address, or else a new user without a password."""
        with transaction.atomic():
            user = User.objects.filter(email__iexact=email).first() if email else None
            user = user or User.objects.create_user(
                User.free_username(email or f"{course.slug}.{external_id}"),
                email,
                first_name=first_name,
                last_name=last_name,
            )
            return cls.objects.create(course=course, user=user, external_id=external_id, role=role)


class ApiKeyQuerySet(RevisedQuerySet):
    def for_staff(self, user: Any) -> "ApiKeyQuerySet":
        return self.filter(membership__course__in=Course.objects.for_staff(user))

    def revoke(self, *, now: datetime) -> int:
        """Revoke the keys that are not revoked yet. Returns how many."""
        return self.filter(revoked_at=None).update(revoked_at=now)


class ApiKey(RevisedModel):
    """A student's credential. Only its digest is stored; the text is shown once, when the key is issued."""

    topic: ClassVar[str] = TOPIC

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="api_keys")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    name = models.CharField(max_length=100, blank=True, help_text="For people: where this key is used.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return self.shown

    # Factories

    @classmethod
    def issue(
        cls, *, membership: Membership, name: str = "", expires_at: datetime | None = None
    ) -> tuple["ApiKey", str]:
        """Store a new key. Returns it with its text, which cannot be recovered later."""
        issued = keys.issue(pepper=settings.KEY_PEPPER)
        row = cls.objects.create(
            membership=membership, digest=issued.digest, last_four=issued.last_four, name=name, expires_at=expires_at
        )
        return row, issued.text

    # Properties

    @property
    def shown(self) -> str:
        return f"{keys.PREFIX}…{self.last_four}"

    def is_valid(self, *, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
