"""The rows that belong to a service: its instances, and the courses whose members it is for."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models

from apps.common.translation import lazy as _
from apps.services.addresses import checked_address
from apps.services.models.fields import TOPIC, count
from apps.services.models.health import InstanceHealth
from apps.services.models.versions import ServicePart, ServicePartQuerySet, together


class ServiceCourse(ServicePart):
    """A course whose members may call a service. A service with any is for their members alone, so a course cannot be
    deleted while it is one of them: with the last one, the service would be open to all."""

    topic: ClassVar[str] = TOPIC
    audit_noun: ClassVar[str] = "service_course"

    service = models.ForeignKey("Service", on_delete=models.CASCADE, related_name="service_courses")
    course = models.ForeignKey("accounts.Course", on_delete=models.PROTECT, related_name="+")

    objects = ServicePartQuerySet.as_manager()

    class Meta:
        ordering = ("service", "course")
        verbose_name = _("course of a service")
        verbose_name_plural = _("courses of services")
        constraints = (models.UniqueConstraint(fields=("service", "course"), name="a_service_has_a_course_once"),)

    def __str__(self) -> str:
        return f"{self.course} in {self.service}"


class Instance(ServicePart):
    """One server of a service."""

    topic: ClassVar[str] = TOPIC

    class Force(models.TextChoices):
        UP = "up", _("up: used whatever checks say")
        DOWN = "down", _("down: not used")

    service = models.ForeignKey("Service", on_delete=models.CASCADE, related_name="instances")
    url = models.CharField(
        _("address"), max_length=300, help_text=_("Such as http://10.0.0.5:8080, with a path if it has one.")
    )
    weight = count("Its share of the requests.", default=1)
    is_draining = models.BooleanField(
        _("draining"), default=False, help_text=_("Gets nothing new; what runs there ends.")
    )
    force = models.CharField(max_length=4, choices=Force.choices, blank=True)

    objects = ServicePartQuerySet.as_manager()

    class Meta:
        ordering = ("service", "url")
        constraints = (models.UniqueConstraint(fields=("service", "url"), name="one_instance_per_address"),)

    def __str__(self) -> str:
        return self.url

    def save(self, *args: Any, **options: Any) -> None:
        """At another address is another server: what was found of the one before says nothing of it."""
        with together():
            table = type(self)._base_manager.filter(pk=self.pk)
            has_moved = table.exclude(url=self.url).exists()
            super().save(*args, **options)
            if has_moved and (health := InstanceHealth.objects.select_for_update().filter(pk=self.pk).first()):
                health.start_anew()

    # Mutators

    def steer(self, move: str) -> None:
        """An operator decides: "up", "down" or "drain", or "" for what checks and failures say."""
        self.is_draining = move == "drain"
        self.force = "" if move == "drain" else move
        self.save()

    def clean(self) -> None:
        try:
            self.url = checked_address(self.url, allow_private=self.service.allow_private_network)
        except ValueError as error:
            raise ValidationError({"url": str(error)}) from error


def columns(model: type[models.Model]) -> list[str]:
    """The columns that people decide about, as versions keep them. References are not among them."""
    own = [one for one in model._meta.concrete_fields if one.editable and not one.is_relation]
    return [one.name for one in own if not one.primary_key]
