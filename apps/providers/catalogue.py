"""An in-process snapshot of the models: who may use them, and where their calls go."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings

from apps.common.encryption import CannotDecrypt
from apps.common.revisions import Snapshot
from apps.providers.models import TOPIC, CourseModel, Credential, Deployment, Model

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A decrypted credential. Its text is never part of a representation."""

    label: str
    text: str = field(repr=False)
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A deployment: everything an adapter needs to call it, except the credential."""

    deployment_id: int
    provider: str
    adapter: str
    base_url: str
    upstream_model: str
    priority: int
    weight: int
    first_byte_timeout: float
    allow_private: bool
    output_cap: str
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A public model name with its weights (in ten-thousandths), limits and deployments."""

    name: str
    created: int
    input_weight: int
    cached_input_weight: int
    output_weight: int
    context_window: int | None
    max_output_tokens: int
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All routes at one revision, and the model names that each course allows."""

    routes: Mapping[str, Route]
    allowed: Mapping[int, frozenset[str]]

    def of(self, course_id: int) -> list[Route]:
        """The routes that a course allows, sorted by name."""
        return [self.routes[name] for name in sorted(self.allowed.get(course_id, ())) if name in self.routes]

    def allows(self, course_id: int, name: str) -> bool:
        return name in self.allowed.get(course_id, ())


def load_catalogue() -> Catalogue:
    secrets = _secrets()
    targets = defaultdict(list)
    deployments = Deployment.objects.filter(is_enabled=True, provider__is_enabled=True).select_related("provider")
    for row in deployments.order_by("priority", "id"):
        targets[row.model_id].append(_target(row, secrets.get(row.provider_id, ())))
    routes = {row.name: _route(row, tuple(targets[row.pk])) for row in Model.objects.filter(is_enabled=True)}
    allowed = defaultdict(set)
    for course_id, name in CourseModel.objects.values_list("course_id", "model__name"):
        allowed[course_id].add(name)
    return Catalogue(routes=routes, allowed={course_id: frozenset(names) for course_id, names in allowed.items()})


def _secrets() -> dict[int, tuple[Secret, ...]]:
    """The usable credentials by provider. One that cannot be decrypted is logged and left out."""
    found = defaultdict(list)
    for row in Credential.objects.filter(is_enabled=True).exclude(ciphertext="").select_related("provider"):
        try:
            found[row.provider_id].append(Secret(label=row.label, text=row.secret(), weight=row.weight))
        except CannotDecrypt as error:
            logger.error("Credential %s is left out: %s", row, error)
    return {provider_id: tuple(secrets) for provider_id, secrets in found.items()}


def _target(row: Deployment, secrets: tuple[Secret, ...]) -> Target:
    provider = row.provider
    return Target(
        deployment_id=row.pk,
        provider=provider.name,
        adapter=provider.adapter,
        base_url=provider.base_url,
        upstream_model=row.upstream_model,
        priority=row.priority,
        weight=row.weight,
        first_byte_timeout=provider.timeout_seconds or settings.FIRST_BYTE_TIMEOUT,
        allow_private=provider.allow_private_network,
        output_cap=provider.output_cap,
        secrets=secrets,
    )


def _route(row: Model, targets: tuple[Target, ...]) -> Route:
    return Route(
        name=row.name,
        created=int(row.created_at.timestamp()),
        input_weight=int(row.input_weight * 10_000),
        cached_input_weight=int(row.cached_input_weight * 10_000),
        output_weight=int(row.output_weight * 10_000),
        context_window=row.context_window,
        max_output_tokens=row.max_output_tokens,
        targets=targets,
    )


def catalogue() -> Snapshot[Catalogue]:
    return Snapshot(TOPIC, load_catalogue)
