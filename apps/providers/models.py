"""Providers, their credentials, and the models that students can name."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from apps.accounts.models import Course
from apps.common import encryption
from apps.common.addresses import check_url
from apps.common.models import RevisedModel, RevisedQuerySet

TOPIC = "catalogue"


class Provider(RevisedModel):
    """An upstream company or server."""

    topic: ClassVar[str] = TOPIC

    class Adapter(models.TextChoices):
        OPENAI = "openai", "OpenAI-compatible API"
        ECHO = "echo", "Echo: answers with the prompt, needs no account"

    class OutputCap(models.TextChoices):
        MAX_TOKENS = "max_tokens"
        MAX_COMPLETION_TOKENS = "max_completion_tokens"

    name = models.SlugField(max_length=60, unique=True)
    adapter = models.CharField(max_length=10, choices=Adapter.choices, default=Adapter.OPENAI)
    base_url = models.CharField(
        "base URL", max_length=300, blank=True, help_text="Up to and including /v1, such as https://api.example.com/v1."
    )
    timeout_seconds = models.FloatField(
        "first byte within",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.1)],
        help_text="Seconds until the answer must begin; then the next provider is tried. Empty: FIRST_BYTE_TIMEOUT.",
    )
    allow_private_network = models.BooleanField(
        default=False, help_text="Allow addresses inside your own network, such as a model server next door."
    )
    output_cap = models.CharField(
        max_length=24,
        choices=OutputCap.choices,
        default=OutputCap.MAX_TOKENS,
        help_text="The parameter that caps the answer when a request names neither.",
    )
    is_enabled = models.BooleanField("enabled", default=True)

    objects = RevisedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.adapter == self.Adapter.ECHO:
            return
        if not self.base_url:
            raise ValidationError({"base_url": "Give the address of the provider's API, up to and including /v1."})
        try:
            self.base_url = check_url(self.base_url)
        except ValueError as error:
            raise ValidationError({"base_url": str(error)}) from error

    # Mutators

    def forget_secrets(self, *, keep: Sequence[int] = ()) -> int:
        """Delete the secrets of all credentials except `keep`. Returns how many there were."""
        forgotten = self.credentials.exclude(pk__in=keep).exclude(ciphertext="")
        return forgotten.update(ciphertext="", changed_at=timezone.now())

    # Queries

    def moved_from(self, base_url: str) -> bool:
        """True if `base_url` points to another server than this provider's."""
        return urlsplit(base_url)[:2] != urlsplit(self.base_url)[:2]


class Credential(RevisedModel):
    """Our secret for a provider. Staff can set it but never read it back."""

    topic: ClassVar[str] = TOPIC

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="credentials")
    label = models.CharField(max_length=60, default="main")
    ciphertext = models.TextField(editable=False, default="")
    weight = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="Share of the calls, among this provider's credentials."
    )
    is_enabled = models.BooleanField("enabled", default=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = RevisedQuerySet.as_manager()

    class Meta:
        ordering = ("provider", "label")
        constraints = (models.UniqueConstraint(fields=("provider", "label"), name="one_credential_per_label"),)

    def __str__(self) -> str:
        return f"{self.provider} / {self.label}"

    # Mutators

    def set_secret(self, secret: str) -> None:
        """Encrypt and store a secret on a saved row. The ciphertext is bound to the row and opens nowhere else."""
        self.ciphertext = encryption.encrypt(secret, place=self._place, keys=settings.SECRET_KEYS)
        self.save(update_fields=["ciphertext", "changed_at"])

    # Queries

    def secret(self) -> str:
        """The decrypted secret, for the relay only. Raises CannotDecrypt."""
        return encryption.decrypt(self.ciphertext, place=self._place, keys=settings.SECRET_KEYS)

    @property
    def _place(self) -> str:
        return f"providers_credential:ciphertext:{self.pk}"


class Model(RevisedModel):
    """A public model name with the weights of its tokens. Its deployments say where calls go."""

    topic: ClassVar[str] = TOPIC

    name = models.CharField(max_length=100, unique=True)
    input_weight = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(1), validators=[MinValueValidator(0)]
    )
    cached_input_weight = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(1), validators=[MinValueValidator(0)]
    )
    output_weight = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(1), validators=[MinValueValidator(0)]
    )
    context_window = models.PositiveIntegerField(
        null=True, blank=True, help_text="Tokens of prompt and answer together. Empty: not checked here."
    )
    max_output_tokens = models.PositiveIntegerField(default=4096, validators=[MinValueValidator(1)])
    is_enabled = models.BooleanField("enabled", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RevisedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Deployment(RevisedModel):
    """One callable upstream model at one provider."""

    topic: ClassVar[str] = TOPIC

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="deployments")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="deployments")
    upstream_model = models.CharField(max_length=200, help_text="What the provider calls this model.")
    priority = models.PositiveSmallIntegerField(default=0, help_text="Lower is tried first.")
    weight = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="Share of the calls, among equals in priority."
    )
    is_enabled = models.BooleanField("enabled", default=True)

    objects = RevisedQuerySet.as_manager()

    class Meta:
        ordering = ("model", "priority", "provider")
        constraints = (
            models.UniqueConstraint(fields=("model", "provider", "upstream_model"), name="one_deployment_per_target"),
        )

    def __str__(self) -> str:
        return f"{self.upstream_model} at {self.provider}"


class CourseModelQuerySet(RevisedQuerySet):
    def for_staff(self, user: Any) -> "CourseModelQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user))


class CourseModel(RevisedModel):
    """A model that a course allows its students to use."""

    topic: ClassVar[str] = TOPIC

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="allowed_models")
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="allowed_in")

    objects = CourseModelQuerySet.as_manager()

    class Meta:
        verbose_name = "allowed model"
        ordering = ("course", "model")
        constraints = (models.UniqueConstraint(fields=("course", "model"), name="one_row_per_course_and_model"),)

    def __str__(self) -> str:
        return f"{self.model} in {self.course.slug}"
