"""Models that students can name, their deployments, and the courses that allow them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models import Course
from apps.common.hosting import Demand, Most
from apps.common.translation import lazy as _
from apps.providers.models.fields import TOPIC, count, seconds
from apps.providers.models.providers import Provider
from apps.providers.validation import validate_parameters, validate_upstream_model


class ModelQuerySet(AuditedQuerySet):
    def offered_to(self, courses: Any) -> "ModelQuerySet":
        """The models that at least one of these courses may allow."""
        named = Offer.objects.filter(course__in=courses).values("model")
        return self.filter(Q(offered_to=Model.OfferedTo.ANY) | Q(pk__in=named))


class Model(AuditedModel):
    """A public model name with the weights of its tokens. Its deployments say where calls go.

    Operators say which courses may allow it: any, or those with an `Offer`. On request differs from named only in that
    instructors are told of it.
    """

    topic: ClassVar[str] = TOPIC

    class OfferedTo(models.TextChoices):
        ANY = "any", _("Any course")
        REQUEST = "request", _("On request: instructors see it, and ask you to name their course")
        NAMED = "named", _("Named courses only")

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
        null=True, blank=True, help_text=_("Tokens of prompt and answer together. Empty: not checked here.")
    )
    max_output_tokens = models.PositiveIntegerField(
        _("answer limit"), default=4096, validators=[MinValueValidator(1)], help_text=_("Most tokens of one answer.")
    )
    refused_parameters = models.TextField(
        blank=True,
        validators=[validate_parameters],
        help_text=_(
            "Parameters that requests for this model must not have, one a line. Such as service_tier, "
            "web_search_options and store: they cost more than the weights say, or leave a copy with the provider."
        ),
    )
    hosting = models.CharField(
        max_length=10,
        choices=Most.choices,
        blank=True,
        help_text=_("The farthest that this model's prompts may go. Deployments farther away are never used."),
    )
    region = models.SlugField(
        max_length=40,
        blank=True,
        db_index=False,
        help_text=_("Only deployments in this region are used: eu admits eu and eu-north. Empty: any region."),
    )
    offered_to = models.CharField(
        max_length=7,
        choices=OfferedTo.choices,
        default=OfferedTo.ANY,
        help_text=_("The courses whose instructors may allow it to their students."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.refused_parameters = "\n".join(self.refused_parameters.split())  # browsers end lines by CRLF

    @property
    def demand(self) -> Demand:
        """Where the model's prompts may go."""
        return Demand(self.hosting, self.region)


class Deployment(AuditedModel):
    """One callable upstream model at one provider. An empty limit is the provider's."""

    topic: ClassVar[str] = TOPIC

    class Force(models.TextChoices):
        OPEN = "open", _("Open: not used, as if it had failed")
        CLOSED = "closed", _("Closed: used whatever its failures")
        DRAIN = "drain", _("Drain: open answers end, no new calls")

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="deployments")
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="deployments")
    upstream_model = models.CharField(
        _("model at the provider"),
        max_length=200,
        validators=[validate_upstream_model],
        help_text=_("What the provider calls this model."),
    )
    priority = models.PositiveSmallIntegerField(
        _("order"), default=0, help_text=_("0 is asked first. A higher number is asked only when all lower ones fail.")
    )
    weight = models.PositiveIntegerField(
        _("share"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("Of the calls, among deployments of the same order: 2 gets twice as many as 1."),
    )
    timeout_seconds = seconds("first byte within", "Seconds until the answer must begin.")
    stall_seconds = seconds("longest silence", "Seconds between two pieces of an answer.")
    total_seconds = seconds("whole answer within", "Seconds for one call as a whole.")
    context_window = count("Tokens of prompt and answer together, if fewer fit here.")
    max_concurrent = count(
        "Most calls at once, such as what a server of your own can take, shared out among the web processes of a "
        "machine. The others wait for their turn: the courses with the fewest calls first, then their students."
    )
    force = models.CharField(
        _("by hand"),
        max_length=6,
        choices=Force.choices,
        blank=True,
        help_text=_("Overrules the breaker, until you clear it. Empty: failures decide."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("model", "priority", "provider")
        constraints = (
            models.UniqueConstraint(fields=("model", "provider", "upstream_model"), name="one_deployment_per_target"),
        )

    def __str__(self) -> str:
        return f"{self.upstream_model} at {self.provider}"

    @classmethod
    def audit_verb(cls, changed: frozenset[str], row: Any) -> str:
        return "forced" if "force" in changed else "changed"


class Offer(AuditedModel):
    """A course that may allow a model which is not for any course."""

    topic: ClassVar[str] = TOPIC

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="offers")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="offers")

    objects = AuditedQuerySet.as_manager()

    class Meta:
        verbose_name = _("named course")
        ordering = ("model", "course")
        constraints = (models.UniqueConstraint(fields=("model", "course"), name="one_offer_per_model_and_course"),)

    def __str__(self) -> str:
        return f"{self.model} for {self.course.slug}"


class CourseModelQuerySet(AuditedQuerySet):
    def for_staff(self, user: Any) -> "CourseModelQuerySet":
        return self.filter(course__in=Course.objects.for_staff(user, "CourseModel"))

    def offered(self) -> "CourseModelQuerySet":
        """Without models that an operator offers to these courses no longer."""
        named = Offer.objects.filter(course=OuterRef("course"), model=OuterRef("model"))
        return self.filter(Q(model__offered_to=Model.OfferedTo.ANY) | Exists(named))

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        rows = list(objs)
        for row in rows:
            row.check_offer()
        created: list[Any] = super().bulk_create(rows, *args, **options)
        return created


class CourseModel(AuditedModel):
    """A model that a course allows its students to use. Only what is offered to the course can be allowed."""

    topic: ClassVar[str] = TOPIC

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="allowed_models")
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="allowed_in")

    objects = CourseModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("allowed model")
        ordering = ("course", "model")
        constraints = (models.UniqueConstraint(fields=("course", "model"), name="one_row_per_course_and_model"),)

    def __str__(self) -> str:
        return f"{self.model} in {self.course.slug}"

    def clean(self) -> None:
        if self.model_id is not None:
            self.check_offer()

    def save(self, *args: Any, **options: Any) -> None:
        self.check_offer()
        super().save(*args, **options)

    def check_offer(self) -> None:
        """Raise ValidationError if the course may not allow the model. A row that is there already may stay."""
        is_stored = CourseModel.objects.filter(pk=self.pk, course=self.course_id, model=self.model_id).exists()
        if not is_stored and not Model.objects.offered_to([self.course_id]).filter(pk=self.model_id).exists():
            course = getattr(self, "course", "this course")
            raise ValidationError(
                {
                    "model": gettext("{model} is not offered to {course}. Ask your operator for it.").format(
                        model=self.model, course=course
                    )
                }
            )
