"""Services and their instances, as operators declare them."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext

from apps.accounts import permissions
from apps.accounts.models import Course
from apps.common.differences import stored_form
from apps.common.translation import lazy as _
from apps.services import validation
from apps.services.models.fields import TOPIC, Balancing, CallerKind, count, names, pairs, seconds
from apps.services.models.instances import Instance, ServiceCourse, columns
from apps.services.models.versions import ServicePart, ServicePartQuerySet, ServiceVersion, together


def students_and_staff() -> list[str]:
    return [CallerKind.STUDENT.value, CallerKind.STAFF.value]


def bad_gateways() -> list[int]:
    return [502, 503, 504]


class ServiceQuerySet(ServicePartQuerySet):
    def for_staff(self, user: Any) -> "ServiceQuerySet":
        """All services for operators, none for others."""
        return self if permissions.is_operator(user) else self.none()

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        services = list(objs)
        for service in services:
            service.prefix = service.prefix or service.name
        return super().bulk_create(services, *args, **options)


class Service(ServicePart):
    """An HTTP service that Stoa fronts at /svc/<prefix>/."""

    topic: ClassVar[str] = TOPIC
    # Somebody may put a key there.
    audit_hidden: ClassVar[frozenset[str]] = frozenset({"set_request_headers", "set_query"})

    name = models.SlugField(max_length=40, unique=True)
    prefix = models.CharField(
        max_length=120,
        unique=True,
        blank=True,
        validators=[validation.validate_prefix],
        help_text=_("Its address below /svc/, such as users or library/search. Empty: its name."),
    )
    owner = models.CharField(max_length=120, blank=True, help_text=_("The person or group responsible for it."))
    release = models.CharField(
        _("version"), max_length=40, blank=True, help_text=_("Version of the service itself, such as 2.1.")
    )
    tags = names("Words to find it by.", validators=[validation.validate_tags])
    docs_url = models.CharField(
        _("documentation"),
        max_length=300,
        blank=True,
        validators=[validation.validate_docs_url],
        help_text=_("Link to documentation for its callers."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    # Who may call
    callers = models.JSONField(
        default=students_and_staff,
        validators=[validation.validate_callers],
        help_text=_("Who may call it. Members call it by their role."),
    )
    courses = models.ManyToManyField("accounts.Course", through="ServiceCourse", related_name="+")
    cors_origins = names(
        "Origins whose web pages may call it, such as https://app.example.edu.",
        validators=[validation.validate_origins],
    )
    sends_identity = models.BooleanField(
        default=True, help_text=_("Tell the service who calls, by a short-lived token that only Stoa can sign.")
    )

    # Where it goes
    allow_private_network = models.BooleanField(
        default=False, help_text=_("Allow instances at addresses inside your own network.")
    )
    balancing = models.CharField(max_length=12, choices=Balancing.choices, default=Balancing.WEIGHTED)
    slow_start_seconds = seconds(
        "slow start", "Seconds over which a recovered instance returns to its full share.", default=30.0
    )

    # Health
    health_path = models.CharField(
        validators=[validation.validate_path],
        max_length=200,
        blank=True,
        help_text=_("Path that health checks request. Empty: no health checks."),
    )
    health_interval_seconds = seconds("every", "Seconds between two health checks.", default=10.0)
    health_timeout_seconds = seconds("within", "Seconds in which a health check must answer.", default=2.0)
    health_statuses = models.CharField(
        validators=[validation.validate_statuses],
        max_length=60,
        default="200-299",
        help_text=_("Statuses of a healthy instance, such as 200-299,401."),
    )
    health_good = count("Good checks in a row that bring an instance back.", default=2)
    health_bad = count("Bad checks in a row that take an instance out.", default=3)

    # Limits
    connect_timeout_seconds = seconds("connect within", "Seconds. Empty: CONNECT_TIMEOUT.")
    first_byte_timeout_seconds = seconds(
        "first byte within", "Seconds until an answer must begin. Empty: REQUEST_TIMEOUT."
    )
    idle_timeout_seconds = seconds("longest silence", "Seconds between two pieces of a body. Empty: STALL_TIMEOUT.")
    total_timeout_seconds = seconds("whole request within", "Seconds, retries included. Empty: REQUEST_TIMEOUT.")
    max_connections = count("Most connections of each web process to it. Empty: MAX_CONNECTIONS.")
    max_keepalive_connections = count("Most idle ones that are kept. Empty: MAX_KEEPALIVE_CONNECTIONS.")
    keepalive_expiry_seconds = seconds("keep idle ones for", "Seconds. Empty: KEEPALIVE_EXPIRY.")
    max_body_bytes = models.PositiveBigIntegerField(
        default=10 * 2**20, validators=[MinValueValidator(0)], help_text=_("Largest request body, in bytes.")
    )
    stream_threshold_bytes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(2**20)],
        help_text=_("Bodies of requests that may be repeated are kept up to here. Empty: STREAM_THRESHOLD."),
    )

    # Retries and breaker
    retries = models.PositiveSmallIntegerField(
        default=2,
        validators=[MaxValueValidator(5)],
        help_text=_("Most retries of a request that can be repeated."),
    )
    retry_statuses = models.JSONField(
        validators=[validation.validate_retry_statuses],
        default=bad_gateways,
        blank=True,
        help_text=_("Statuses of answers to retry."),
    )
    breaker_misses = count("Failures in a row to connect or to begin an answer that open the breaker.", default=5)
    breaker_share = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0.01), MaxValueValidator(1.0)],
        help_text=_("Share of failed requests in the last half minute that opens the breaker."),
    )
    breaker_at_least = count("Requests needed in the last half minute before that share counts.", default=20)
    breaker_pause_seconds = seconds("opens for", "Seconds. Doubles each time it opens again.", default=10.0)
    breaker_longest_seconds = seconds("at most for", "Seconds.", default=300.0)

    # Rates
    requests_per_minute = count("For each key.")
    burst = count("Most requests within one second.")
    user_requests_per_minute = count("For each member, with all keys and tokens together.")
    user_burst = count("Most requests within one second.")
    address_requests_per_minute = count("For each address, of callers without a key.")
    address_burst = count("Most requests within one second.")
    route_limits = names(
        'Limits for all callers together, such as [{"methods": ["POST"], "path": "/reports", '
        '"requests_per_minute": 10, "burst": 2}].',
        validators=[validation.validate_route_limits],
    )

    # Transformation, by declaration
    strips_prefix = models.BooleanField(
        default=True, help_text=_("Leave /svc/ and the prefix out of the path that the service gets.")
    )
    rewrites = names(
        'Beginnings of paths to replace, such as [{"from": "/v2/", "to": "/api/v2/"}]. The first that fits counts.',
        validators=[validation.validate_rewrites],
    )
    set_request_headers = pairs(
        "Headers that the service gets from Stoa.", validators=[validation.validate_request_headers]
    )
    remove_request_headers = names(
        "Headers that the service does not get.", validators=[validation.validate_removed_request_headers]
    )
    set_response_headers = pairs(
        "Headers that callers get from Stoa.", validators=[validation.validate_response_headers]
    )
    remove_response_headers = names(
        "Headers that callers do not get.", validators=[validation.validate_removed_response_headers]
    )
    set_query = pairs("Query parameters that Stoa sets.", validators=[validation.validate_query])
    remove_query = names("Query parameters that Stoa takes out.", validators=[validation.validate_query_names])

    sample_percent = models.PositiveSmallIntegerField(
        default=100,
        validators=[MaxValueValidator(100)],
        help_text=_("Share of requests that leave a row for staff to search."),
    )

    objects = ServiceQuerySet.as_manager()

    # The prefixes of other services by name, where they are about to change with this one; None: as they are stored.
    beside: Mapping[str, str] | None = None

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **options: Any) -> None:
        self.prefix = self.prefix or self.name
        super().save(*args, **options)

    def clean(self) -> None:
        self.prefix = self.prefix or self.name
        errors = validation.complaints(self)
        others = self.beside if self.beside is not None else self._prefixes_of_others()
        if self.prefix and (sentence := validation.shadowed(self.prefix, others)):
            errors["prefix"] = sentence
        if self.name in validation.RESERVED and self.prefix != self.name:
            errors["name"] = gettext("“{name}” is reserved. Choose another name.").format(name=self.name)
        if self.prefix == self.name:  # a name may have what no prefix has
            errors |= _complaint("prefix", validation.validate_prefix, self.prefix)
        if errors:
            raise ValidationError(errors)

    def _prefixes_of_others(self) -> dict[str, str]:
        return dict(Service._base_manager.exclude(pk=self.pk).values_list("name", "prefix"))

    # Mutators

    def restore(self, version: ServiceVersion) -> None:
        """Return the service, its instances and its courses to a version. Raises ValidationError if that is no longer
        valid, and then changes nothing that is stored."""
        with together(note=f"back to version {version.number}"):
            for name in set(columns(Service)) & set(version.fields):
                setattr(self, name, version.fields[name])
            self.full_clean()
            self.save()
            self._restore_courses(version.fields["courses"])
            self._restore_instances(version.fields["instances"])

    def _restore_courses(self, slugs: Iterable[str]) -> None:
        wanted = set(slugs)
        self.service_courses.exclude(course__slug__in=wanted).delete()
        courses = Course.objects.filter(slug__in=wanted)
        if missing := wanted - {course.slug for course in courses}:
            raise ValidationError(gettext("There is no course {missing} any more.").format(missing=min(missing)))
        for course in courses.exclude(pk__in=self.service_courses.values("course")):
            ServiceCourse.objects.create(service=self, course=course)

    def _restore_instances(self, wanted: Iterable[Mapping[str, Any]]) -> None:
        """Those that stay keep their rows, and so what is known of them."""
        by_url = {instance["url"]: instance for instance in wanted}
        self.instances.exclude(url__in=by_url).delete()
        stored = {instance.url: instance for instance in self.instances.all()}
        for url, values in by_url.items():
            instance = stored.get(url) or Instance()
            instance.service = self
            for name in set(columns(Instance)) & set(values):
                setattr(instance, name, values[name])
            instance.full_clean()
            instance.save()

    # Queries

    def document(self) -> dict[str, Any]:
        """The service with its instances and courses as they are stored."""
        courses = self.service_courses.values_list("course__slug", flat=True)
        return documented(self, instances=self.instances.all(), courses=courses)


def documented(service: Service, *, instances: Iterable[Instance], courses: Iterable[str]) -> dict[str, Any]:
    """A service as a version keeps it, with these instances and the short names of its courses."""
    rows = [{name: getattr(one, name) for name in columns(Instance)} for one in instances]
    return stored_form(
        {
            **{name: getattr(service, name) for name in columns(Service)},
            "courses": sorted(courses),
            "instances": sorted(rows, key=lambda row: row["url"]),
        }
    )


def _complaint(name: str, check: Any, value: Any) -> dict[str, str]:
    try:
        check(value)
    except ValidationError as error:
        return {name: error.messages[0]}
    return {}
