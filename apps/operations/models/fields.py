"""What the tables of operations share: their topic, and what notifications are about."""

from django.db import models

TOPIC = "operations"


class About(models.TextChoices):
    """What a channel chooses by. Each is a field of NotificationChannel, of the same name."""

    PROVIDERS = "providers", "providers"
    CREDENTIALS = "credentials", "credentials"
    BUDGETS = "budgets", "allowances"
    DEAD_LETTERS = "dead_letters", "dead letters"
    DISK = "disk", "disk"
