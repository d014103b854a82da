"""What the tables of operations share: their topic, and what notifications are about."""

from django.db import models

from apps.common.translation import lazy as _

TOPIC = "operations"


class About(models.TextChoices):
    """What a channel chooses by. Each is a field of NotificationChannel, of the same name."""

    PROVIDERS = "providers", _("providers")
    CREDENTIALS = "credentials", _("credentials")
    BUDGETS = "budgets", _("allowances")
    DEAD_LETTERS = "dead_letters", _("dead letters")
    DISK = "disk", _("disk")
