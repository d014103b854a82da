"""An in-process snapshot of the models: who may use them, and where their calls go."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal
from urllib.parse import urljoin

from django.conf import settings

from apps.common.encryption import CannotDecrypt
from apps.common.hosting import ANYWHERE, Demand, Hosting
from apps.common.revisions import Snapshot
from apps.providers.models import TOPIC, CourseModel, Credential, Deployment, Model, Provider
from apps.providers.pseudonyms import key_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A decrypted credential. Its text is never part of a representation. `id` is that of its row."""

    id: int
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
    first_byte_timeout: float  # of a stream
    plain_timeout: float  # a plain answer's first byte is its last
    stall_timeout: float
    total_timeout: float
    allow_private: bool
    output_cap: str  # the one parameter that caps the answer there
    secrets: tuple[Secret, ...]
    thinking_timeout: float = 0.0  # silence between events without content; 0: the first-byte limit waits for content
    sends_output_cap: bool = True  # where the client names none
    stream_options: str = "yes"  # or "no", or "learn" from a refusal
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)  # names in lower case
    max_connections: int = 1000  # of the provider, in each web process
    max_concurrent: int | None = None  # of this process: its share of what the deployment takes
    context_window: int | None = None
    hosting: str = Hosting.EXTERNAL
    region: str = ""
    pseudonym_key: bytes = field(default=b"", repr=False)  # empty: the provider learns nothing of who asks
    probe_path: str = ""  # "" is GET /models, "off" is passive only
    force: str = ""  # or "open", "closed", "drain"

    @property
    def probe_url(self) -> str | None:
        """The address that health checks ask, if they may. A path of its own starts at the server's root."""
        if self.probe_path == "off" or not self.base_url:
            return None
        return urljoin(self.base_url, self.probe_path) if self.probe_path else f"{self.base_url}/models"

    def limit_of_first_byte(self, *, is_stream: bool) -> float:
        return self.first_byte_timeout if is_stream else self.plain_timeout


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
    refused_parameters: frozenset[str] = frozenset()
    longest: float = 600.0  # seconds for a call as a whole, at whichever deployment
    barred_by: Literal["", "model", "course"] = ""  # whose demand leaves no deployment to call
    may_be_uncapped: bool = field(init=False)  # some deployment gets no output cap where the client names none
    tiers: tuple[tuple[Target, ...], ...] = field(init=False)  # by priority, without what an operator opens or drains

    def __post_init__(self) -> None:
        called = [target for target in self.targets if target.force not in ("open", "drain")]
        tiers = tuple(tuple(tier) for _, tier in groupby(called, key=attrgetter("priority")))
        object.__setattr__(self, "tiers", tiers)
        object.__setattr__(self, "may_be_uncapped", not all(target.sends_output_cap for target in self.targets))

    def within(self, demand: Demand, *, of: Literal["model", "course"]) -> "Route":
        """The route with only the deployments to which prompts may go, before anything orders them."""
        if demand.is_empty:
            return self
        targets = tuple(one for one in self.targets if demand.admits(hosting=one.hosting, region=one.region))
        return replace(self, targets=targets, barred_by=of if self.targets and not targets else self.barred_by)

    @property
    def hosting(self) -> Hosting | None:
        """The farthest hosting that a prompt may reach."""
        order = list(Hosting)
        return max((Hosting(target.hosting) for target in self.targets), key=order.index, default=None)

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(sorted({target.region or "unknown" for target in self.targets}))

    def refused_in(self, body: Mapping[str, Any]) -> str:
        """A parameter of the request that this model must not get, or nothing. One that is switched off is none."""
        for name in self.refused_parameters:
            if body.get(name) is not None and body[name] is not False:
                return name
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All routes at one revision, and the model names that each course allows."""

    routes: Mapping[str, Route]
    allowed: Mapping[int, frozenset[str]]
    _within: dict[tuple[str, Demand], Route] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, course_id: int, demand: Demand = ANYWHERE) -> list[Route]:
        """The routes that a course allows, sorted by name. Those that its demand bars are left out."""
        found = [self.route(name, demand) for name in sorted(self.allowed.get(course_id, ()))]
        return [route for route in found if route is not None and not route.barred_by]

    def route(self, name: str, demand: Demand = ANYWHERE) -> Route | None:
        """The route of a model within a course's demand. Each is made once."""
        if demand.is_empty:
            return self.routes.get(name)
        route = self._within.get((name, demand))
        if route is None and name in self.routes:
            route = self._within[name, demand] = self.routes[name].within(demand, of="course")
        return route

    def allows(self, course_id: int, name: str) -> bool:
        return name in self.allowed.get(course_id, ())


def load_catalogue() -> Catalogue:
    secrets, share = _secrets(), _share_of_connections()
    targets = defaultdict(list)
    deployments = Deployment.objects.filter(is_enabled=True, provider__is_enabled=True).select_related("provider")
    for row in deployments.order_by("priority", "id"):
        targets[row.model_id].append(_target(row, secrets.get(row.provider_id, ()), share=share))
    routes = {row.name: _route(row, tuple(targets[row.pk])) for row in Model.objects.filter(is_enabled=True)}
    allowed = defaultdict(set)
    for course_id, name in CourseModel.objects.offered().values_list("course_id", "model__name"):
        allowed[course_id].add(name)
    return Catalogue(routes=routes, allowed={course_id: frozenset(names) for course_id, names in allowed.items()})


def _secrets() -> dict[int, tuple[Secret, ...]]:
    """The usable credentials by provider. One that cannot be decrypted is logged and left out."""
    found = defaultdict(list)
    for row in Credential.objects.filter(is_enabled=True).exclude(ciphertext="").select_related("provider"):
        try:
            found[row.provider_id].append(Secret(id=row.pk, label=row.label, text=row.secret(), weight=row.weight))
        except CannotDecrypt as error:
            logger.error("Credential %s is left out: %s", row, error)
    return {provider_id: tuple(secrets) for provider_id, secrets in found.items()}


def _share_of_connections() -> int:
    """What a provider without a ceiling of its own may take of the pool: one that hangs must leave room for others."""
    others = Provider.objects.filter(is_enabled=True, adapter=Provider.Adapter.OPENAI).count() > 1
    return max(1, settings.MAX_CONNECTIONS // 2) if others else settings.MAX_CONNECTIONS


def _target(row: Deployment, secrets: tuple[Secret, ...], *, share: int) -> Target:
    provider = row.provider
    total = row.total_seconds or provider.total_seconds or settings.REQUEST_TIMEOUT
    first_byte = row.timeout_seconds or provider.timeout_seconds
    stall = row.stall_seconds or provider.stall_seconds or settings.STALL_TIMEOUT
    return Target(
        deployment_id=row.pk,
        provider=provider.name,
        adapter=provider.adapter,
        base_url=provider.base_url,
        upstream_model=row.upstream_model,
        priority=row.priority,
        weight=row.weight,
        first_byte_timeout=min(first_byte or settings.FIRST_BYTE_TIMEOUT, total),
        plain_timeout=min(first_byte or total, total),
        stall_timeout=min(stall, total),
        total_timeout=total,
        allow_private=provider.allow_private_network,
        output_cap=provider.output_cap,
        secrets=secrets,
        thinking_timeout=0.0 if first_byte else min(stall, total),
        sends_output_cap=provider.adds_output_cap,
        stream_options=provider.stream_options,
        extra_headers={name.lower(): value for name, value in provider.extra_headers.items()},
        max_connections=provider.max_connections or share,
        max_concurrent=row.max_concurrent and -(-row.max_concurrent // settings.WEB_CONCURRENCY),
        context_window=row.context_window,
        hosting=provider.hosting,
        region=provider.region,
        pseudonym_key=_pseudonym_key(provider),
        probe_path=provider.probe_path,
        force=row.force,
    )


def _pseudonym_key(provider: Provider) -> bytes:
    if provider.identity == Provider.Identity.NONE:
        return b""
    return key_of(provider.name, pepper=settings.KEY_PEPPER)


def _route(row: Model, targets: tuple[Target, ...]) -> Route:
    return Route(
        name=row.name,
        created=int(row.created_at.timestamp()),
        input_weight=int(row.input_weight * 10_000),
        cached_input_weight=int(row.cached_input_weight * 10_000),
        output_weight=int(row.output_weight * 10_000),
        context_window=row.context_window,
        max_output_tokens=row.max_output_tokens,
        refused_parameters=frozenset(row.refused_parameters.split()),
        targets=targets,
        longest=max((target.total_timeout for target in targets), default=settings.REQUEST_TIMEOUT),
    ).within(row.demand, of="model")


def catalogue() -> Snapshot[Catalogue]:
    return Snapshot(TOPIC, load_catalogue)
