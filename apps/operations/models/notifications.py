"""What happened, and what became of telling each channel."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

from apps.accounts.models import Course
from apps.common.translation import lazy as _
from apps.operations.models.channels import NotificationChannel
from apps.operations.models.fields import About


class Notification(models.Model):
    """Something that happened, once: `key` says what, so that nobody adds it twice.

    `subject` is what it is about. Of several notifications with one subject the latest is the truth.
    """

    KEPT: ClassVar[timedelta] = timedelta(days=90)

    class Level(models.TextChoices):
        GOOD = "good", _("Good")
        WARNING = "warning", _("Warning")
        BAD = "bad", _("Bad")

    key = models.CharField(max_length=120, unique=True)
    about = models.CharField(max_length=12, choices=About.choices)
    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=80)
    level = models.CharField(max_length=7, choices=Level.choices)
    title = models.CharField(max_length=200)
    detail = models.CharField(max_length=500, blank=True)
    page = models.CharField(max_length=200, help_text=_("Path of the page that shows more."))
    course = models.ForeignKey(Course, on_delete=models.CASCADE, null=True)
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("subject", "id"), name="news_of_a_subject"),)

    def __str__(self) -> str:
        return self.title


class NotificationDeliveryQuerySet(models.QuerySet["NotificationDelivery"]):
    def send_again(self, *, now: datetime) -> int:
        """Put back those that were given up. Takes effect once."""
        dead = self.filter(state=NotificationDelivery.State.DEAD)
        return dead.update(state=NotificationDelivery.State.WAITING, attempts=0, due_at=now, asked_at=now)


class NotificationDelivery(models.Model):
    """One notification on its way to one channel. A dead one has been tried for hours in vain."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        SUPERSEDED = "superseded", _("superseded by later news")
        DEAD = "dead", _("given up")

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(NotificationChannel, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    asked_at = models.DateTimeField(help_text=_("When it was to be sent first, or again. Given up a day later."))
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    objects = NotificationDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification")  # as people see it; the other table has no page
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("channel", "notification"), name="each_channel_is_told_once"),)
        indexes = (models.Index(fields=("state", "due_at"), name="deliveries_by_state"),)

    def __str__(self) -> str:
        return f"{self.notification} to {self.channel}"
