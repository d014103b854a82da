"""Notification channels: to whom Stoa sends what happens, and what of it."""

from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, validate_email
from django.db import models
from django.utils.text import format_lazy
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models import Course
from apps.common import encryption
from apps.common.addresses import check_url
from apps.common.translation import lazy as _
from apps.operations.models.fields import TOPIC

MOST_RECIPIENTS = 20
SHORTEST_SECRET = 24


class NotificationChannel(AuditedModel):
    """People with their e-mail addresses, or a webhook. Its signing secret can be set but never read back."""

    topic: ClassVar[str] = TOPIC
    audit_noun: ClassVar[str] = "channel"
    audit_hidden: ClassVar[frozenset[str]] = frozenset({"url"})  # the addresses of many webhooks let anybody post

    class Kind(models.TextChoices):
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")

    name = models.CharField(max_length=100, unique=True, help_text=_("Such as Operators on call."))
    kind = models.CharField(_("sent by"), max_length=7, choices=Kind.choices, default=Kind.EMAIL)
    recipients = models.TextField(
        blank=True,
        help_text=format_lazy(
            _("E-mail addresses, separated by commas or on lines of their own. At most {most}."), most=MOST_RECIPIENTS
        ),
    )
    url = models.CharField(
        _("URL"),
        max_length=500,
        blank=True,
        help_text=_("Where the webhook is received. Stoa sends a POST request with JSON."),
    )
    ciphertext = models.TextField(editable=False, default="")
    allow_private_network = models.BooleanField(
        default=False, help_text=_("Allow addresses inside your own network, and http://.")
    )
    providers = models.BooleanField(
        default=True,
        help_text=_("A provider is down or back, nobody is left to answer for a model, usage is in doubt."),
    )
    credentials = models.BooleanField(
        default=True, help_text=_("A provider refuses one of its keys, or accepts it again.")
    )
    budgets = models.BooleanField(
        _("allowances"),
        default=True,
        help_text=_("A course or the institution has used 50, 80 or 100 percent of its week: once each."),
    )
    dead_letters = models.BooleanField(default=True, help_text=_("The database refused to record a call."))
    disk = models.BooleanField(
        default=True, help_text=_("The disk with Stoa's data is 90 percent full, or has room again.")
    )
    course = models.ForeignKey(
        Course,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        help_text=_("Only allowances of this course. Empty: of all courses and of the institution."),
    )
    cooldown_minutes = models.PositiveIntegerField(
        _("cooldown in minutes"),
        default=60,
        validators=[MaxValueValidator(24 * 60)],
        help_text=_(
            "If the same thing happens again within this time, it is sent when the time is over, and only if it "
            "is still the latest news."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.kind == self.Kind.EMAIL:
            self._check_recipients()
        else:
            self._check_url()

    def _check_recipients(self) -> None:
        addresses = self.addresses
        if not addresses or len(addresses) > MOST_RECIPIENTS:
            raise ValidationError(
                {
                    "recipients": gettext("Enter between 1 and {most_recipients} e-mail addresses.").format(
                        most_recipients=MOST_RECIPIENTS
                    )
                }
            )
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(
                    {"recipients": gettext("{address} is no e-mail address.").format(address=f"{address!r}")}
                ) from error

    def _check_url(self) -> None:
        try:
            check_url(self.url.partition("?")[0])
        except ValueError as error:
            raise ValidationError({"url": str(error)}) from error
        if not self.url.isprintable() or "#" in self.url or " " in self.url:
            raise ValidationError({"url": gettext("The address must contain neither '#' nor spaces.")})
        if urlsplit(self.url).scheme != "https" and not self.allow_private_network:
            raise ValidationError(
                {"url": gettext("The address must start with https://, unless it is in your own network.")}
            )

    # Mutators

    def set_secret(self, secret: str) -> None:
        """Encrypt and store the signing secret on a saved row. The ciphertext is bound to the row."""
        self.ciphertext = encryption.encrypt(secret, place=self._place, keys=settings.SECRET_KEYS)
        self.save(update_fields=["ciphertext"])

    def encrypt_anew(self) -> bool:
        """Encrypt the secret with the newest key. False if it is already. Raises CannotDecrypt."""
        anew = encryption.anew(self.ciphertext, place=self._place, keys=settings.SECRET_KEYS)
        # Nobody else's change is undone: a secret that is entered meanwhile has the newest key too.
        row = NotificationChannel.objects.filter(pk=self.pk, ciphertext=self.ciphertext)
        return anew is not None and bool(row.update(ciphertext=anew))

    # Queries

    def secret(self) -> str:
        """The signing secret. Raises CannotDecrypt."""
        return encryption.decrypt(self.ciphertext, place=self._place, keys=settings.SECRET_KEYS)

    @property
    def addresses(self) -> list[str]:
        return [address for address in self.recipients.replace(",", " ").replace(";", " ").split() if address]

    @property
    def cooldown(self) -> timedelta:
        return timedelta(minutes=self.cooldown_minutes)

    @property
    def _place(self) -> str:
        return f"operations_notificationchannel:ciphertext:{self.pk}"
