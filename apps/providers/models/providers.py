"""Providers and their credentials."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.common import encryption
from apps.common.addresses import check_url
from apps.common.hosting import Hosting
from apps.common.translation import lazy as _
from apps.providers.models.fields import TOPIC, count, seconds
from apps.providers.models.health import CredentialHealth
from apps.providers.validation import advice_on_address, validate_address, validate_headers, validate_probe_path


class Provider(AuditedModel):
    """An upstream company or server."""

    topic: ClassVar[str] = TOPIC
    audit_hidden: ClassVar[frozenset[str]] = frozenset({"extra_headers"})  # somebody may put a key there after all

    class Adapter(models.TextChoices):
        OPENAI = "openai", _("OpenAI-compatible API")
        ECHO = "echo", _("Echo: answers with the prompt, needs no account")

    class OutputCap(models.TextChoices):
        MAX_TOKENS = "max_tokens", "max_tokens"
        MAX_COMPLETION_TOKENS = "max_completion_tokens", "max_completion_tokens"

    class StreamOptions(models.TextChoices):
        LEARN = "learn", _("Learn: sent until the provider refuses it")
        YES = "yes", _("Yes: always sent")
        NO = "no", _("No: never sent, usage is estimated unless the provider reports it anyway")

    class Identity(models.TextChoices):
        PSEUDONYM = "pseudonym", _("A pseudonym: the same for each student, different at each provider")
        NONE = "none", _("Nothing")

    name = models.SlugField(max_length=60, unique=True)
    adapter = models.CharField(max_length=10, choices=Adapter.choices, default=Adapter.OPENAI)
    base_url = models.CharField(
        _("base URL"),
        max_length=300,
        blank=True,
        help_text=_("Up to and including /v1, such as https://api.example.com/v1."),
    )
    timeout_seconds = seconds(
        "first byte within",
        "Seconds until the answer must begin, streamed or plain; then the next deployment is tried. A plain answer "
        "begins when it is complete.",
    )
    stall_seconds = seconds(
        "longest silence",
        "Seconds between two pieces of an answer. A model that thinks silently needs minutes.",
    )
    total_seconds = seconds("whole answer within", "Seconds for one call as a whole.")
    max_connections = count("Most calls that each web process has open at this provider.")
    allow_private_network = models.BooleanField(
        default=False, help_text=_("Allow addresses inside your own network, such as a model server next door.")
    )
    output_cap = models.CharField(
        _("name of the answer limit"),
        max_length=24,
        choices=OutputCap.choices,
        default=OutputCap.MAX_TOKENS,
        help_text=_("The one parameter that caps the answer here, whatever name the client uses."),
    )
    adds_output_cap = models.BooleanField(
        _("always sends an answer limit"),
        default=True,
        help_text=_(
            "Cap answers whose client names no cap. Without, such a call is held at the model's own limit, and "
            "a cap is sent only if the allowance or the course permits less."
        ),
    )
    stream_options = models.CharField(
        max_length=5,
        choices=StreamOptions.choices,
        default=StreamOptions.LEARN,
        help_text=_("Whether the provider understands stream_options, with which Stoa asks for the usage of a stream."),
    )
    extra_headers = models.JSONField(
        default=dict,
        blank=True,
        validators=[validate_headers],
        help_text=_(
            'Sent with every call, such as {"X-Title": "Stoa"}. Operators can read them here; keys belong in '
            "a credential. Forgotten when the address moves to another server."
        ),
    )
    hosting = models.CharField(
        max_length=10,
        choices=Hosting.choices,
        default=Hosting.EXTERNAL,
        help_text=_("Who runs the server. Courses and models may demand that prompts go no farther."),
    )
    region = models.SlugField(
        max_length=40,
        blank=True,
        db_index=False,
        help_text=_("Where the server is, such as eu-north. A demand for eu admits eu and eu-north. Empty: unknown."),
    )
    identity = models.CharField(
        max_length=9,
        choices=Identity.choices,
        default=Identity.PSEUDONYM,
        help_text=_("What the provider gets in place of a client's user and safety_identifier. Metadata never leaves."),
    )
    probe_path = models.CharField(
        max_length=200,
        blank=True,
        validators=[validate_probe_path],
        help_text=_(
            "Health checks ask this path on the server, such as /health. Empty: /models below the base URL. off: "
            "no checks, only calls tell."
        ),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.adapter == self.Adapter.ECHO:
            return
        if not self.base_url:
            raise ValidationError(
                {"base_url": gettext("Give the address of the provider's API, up to and including /v1.")}
            )
        try:
            self.base_url = check_url(self.base_url)
            validate_address(self.base_url)
        except ValueError as error:
            raise ValidationError({"base_url": str(error)}) from error
        except ValidationError as error:
            raise ValidationError({"base_url": error.messages}) from error

    # Mutators

    def forget_secrets(self, *, keep: Sequence[int] = (), keep_headers: bool = False) -> int:
        """Delete the secrets of all credentials except `keep`, and the extra headers. Returns how many there were."""
        stored = self.credentials.exclude(pk__in=keep).exclude(ciphertext="")
        forgotten = stored.update(ciphertext="", changed_at=timezone.now())
        if keep_headers or not self.extra_headers:
            return forgotten
        forgotten += len(self.extra_headers)
        self.extra_headers = {}
        self.save(update_fields=["extra_headers"])
        return forgotten

    # Queries

    def moved_from(self, base_url: str) -> bool:
        """True if `base_url` points to another server than this provider's."""
        return urlsplit(base_url)[:2] != urlsplit(self.base_url)[:2]

    @property
    def advice(self) -> str:
        """A doubt about the address, for whoever entered it."""
        return "" if self.adapter == self.Adapter.ECHO else advice_on_address(self.base_url)


class Credential(AuditedModel):
    """Our secret for a provider. Staff can set it but never read it back."""

    topic: ClassVar[str] = TOPIC

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="credentials")
    label = models.CharField(max_length=60, default="main")
    ciphertext = models.TextField(editable=False, default="")
    weight = models.PositiveIntegerField(
        _("share"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("Of the calls, among this provider's keys: 2 gets twice as many as 1."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    changed_at = models.DateTimeField(auto_now=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("provider", "label")
        constraints = (models.UniqueConstraint(fields=("provider", "label"), name="one_credential_per_label"),)

    def __str__(self) -> str:
        return f"{self.provider} / {self.label}"

    # Mutators

    def set_secret(self, secret: str) -> None:
        """Encrypt and store a secret on a saved row. The ciphertext is bound to the row and opens nowhere else."""
        self.ciphertext = encryption.encrypt(secret, place=self._place, keys=settings.SECRET_KEYS)
        with transaction.atomic():
            self.save(update_fields=["ciphertext", "changed_at"])
            CredentialHealth.objects.put_back([self.pk], now=self.changed_at, why="It has a new secret.")

    def encrypt_anew(self) -> bool:
        """Encrypt the secret with the newest key. False if it is already. Raises CannotDecrypt."""
        anew = encryption.anew(self.ciphertext, place=self._place, keys=settings.SECRET_KEYS)
        # Nobody else's change is undone: a secret that is entered meanwhile has the newest key too.
        row = Credential.objects.filter(pk=self.pk, ciphertext=self.ciphertext)
        return anew is not None and bool(row.update(ciphertext=anew))

    @classmethod
    def note_use(cls, ids: Collection[int], *, now: datetime) -> None:
        """Record that credentials were used. No snapshot shows it, so the revision stays."""
        cls._base_manager.filter(pk__in=ids).update(last_used_at=now)

    # Queries

    def secret(self) -> str:
        """The decrypted secret, for the relay only. Raises CannotDecrypt."""
        return encryption.decrypt(self.ciphertext, place=self._place, keys=settings.SECRET_KEYS)

    @property
    def _place(self) -> str:
        return f"providers_credential:ciphertext:{self.pk}"
