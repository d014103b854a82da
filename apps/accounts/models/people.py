"""Users: people who sign in or belong to a course."""

import itertools
import re
from collections import defaultdict
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models import Q

from apps.accounts import permissions
from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models.fields import TOPIC, Role, validate_timezone
from apps.accounts.permissions import Position
from apps.common.translation import lazy as _


class PersonManager(UserManager.from_queryset(AuditedQuerySet)):  # type: ignore[misc]
    """Django's manager of users, with bulk writes that bump the revision and are recorded."""

    use_in_migrations = False


class User(AuditedModel, AbstractUser):
    """A person. Staff sign in with a password; students usually have only an API key."""

    topic: ClassVar[str] = TOPIC

    tokens_not_before = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Tokens of earlier sign-ins are refused.")
    )
    campus_id = models.CharField(
        _("campus ID"),
        max_length=100,
        blank=True,
        help_text=_("Finds this person at the first sign-in through the campus. Only operators set it."),
    )

    timezone = models.CharField(
        _("time zone"),
        max_length=60,
        blank=True,
        db_default="",
        default="",
        validators=[validate_timezone],
        help_text=_("The clock of pages about several courses, such as Europe/Helsinki. Empty: the institution’s."),
    )

    objects: ClassVar[PersonManager] = PersonManager()

    class Meta(AbstractUser.Meta):
        constraints = (
            models.UniqueConstraint(fields=("campus_id",), condition=~Q(campus_id=""), name="one_person_per_campus_id"),
        )

    def __str__(self) -> str:
        return self.get_full_name() or self.email or self.username

    def save(self, *args: Any, **options: Any) -> None:
        if set(options.get("update_fields") or ()) == {"last_login"}:
            AbstractUser.save(self, *args, **options)  # no snapshot has it, and the sign-in is an entry of its own
        else:
            super().save(*args, **options)

    @classmethod
    def audit_verb(cls, changed: frozenset[str], row: Any) -> str:
        alone = {"password": "password_changed", "tokens_not_before": "signed_out"}
        return alone.get(next(iter(changed)), "changed") if len(changed) == 1 else "changed"

    def sign_out_tokens(self, *, now: datetime) -> None:
        """Refuse every token that was issued until now, also those of trusted issuers."""
        self.tokens_not_before = now
        self.save(update_fields=["tokens_not_before"])

    def set_timezone(self, name: str) -> None:
        self.timezone = name
        self.save(update_fields=["timezone"])

    @classmethod
    def free_username(cls, wanted: str) -> str:
        """`wanted`, with a number appended if it is taken, in whatever case: people may sign in with either."""
        stem = re.sub(r"[^\w.@+-]", "-", cls.normalize_username(wanted))[:140]
        candidates = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        return next(name for name in candidates if not cls.objects.filter(username__iexact=name).exists())

    @staticmethod
    def placeholder_name(course_slug: str, external_id: str) -> str:
        """A user name for a member whose person is unknown, distinct for each member."""
        # "+" itself is escaped too, so no two external ids give the same name.
        spelled = re.sub(r"[^\w.@-]", lambda match: f"+{ord(match[0]):x}", external_id)
        return f"{course_slug}.{spelled}"[:150]

    def positions(self) -> tuple[dict[Position, frozenset[int]], frozenset[int]]:
        """The courses in which this person is staff, by what they are there, and the departments that they administer.

        The position of an operator is none of these.
        """
        held: dict[Position, set[int]] = defaultdict(set)
        departments: set[int] = set()
        if permissions.works_here(self):
            taught = self.memberships.filter(is_active=True, role__in=Role.staff())
            for role, course in taught.order_by().values_list("role", "course"):
                held[Position(role)].add(course)
            for department, course in self.administers.order_by().values_list("department", "department__courses"):
                departments.add(department)
                if course is not None:
                    held[Position.DEPARTMENT_ADMIN].add(course)
        return {position: frozenset(courses) for position, courses in held.items()}, frozenset(departments)
