"""The step in which models are chosen. Each becomes a deployment of a new model, or of the one with that name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from apps.providers.admin.setup.page import setup_page, to_step
from apps.providers.models import Deployment, Model, Provider
from apps.providers.presets import may_chat

FALLBACK, SHARED = "fallback", "shared"


@dataclass(slots=True)
class ListedModel:
    """A line of the page: what the provider calls the model, the name for students, and what its tokens weigh."""

    upstream: str
    name: str
    weight: str = "1"
    is_chosen: bool = False
    added_as: str = ""  # the model of the deployment that there is already
    exists: bool = False  # a model has this name
    errors: list[str] = field(default_factory=list)


def step(request: HttpRequest, provider: Provider) -> HttpResponse:
    lines = _lines(provider, request.POST)
    if request.method == "POST":
        chosen = [line for line in lines if line.is_chosen and not line.added_as]
        if not chosen:
            messages.warning(request, gettext("Tick at least one model, or write its name."))
        elif _add(provider, chosen, is_fallback=request.POST.get("order") != SHARED):
            names = ", ".join(line.name for line in chosen)
            messages.success(
                request,
                gettext("{name} now answers for {names}. Choose the courses that may use it.").format(
                    name=provider.name, names=names
                ),
            )
            return to_step(provider, "courses")
    return setup_page(
        request,
        "models",
        title=gettext("{name}: models").format(name=provider.name),
        provider=provider,
        likely=[line for line in lines if line.is_chosen or line.added_as or may_chat(line.upstream)],
        unlikely=[line for line in lines if not (line.is_chosen or line.added_as or may_chat(line.upstream))],
        left_out=max((row.names_left_out for row in provider.probes.all()), default=0),
        order=request.POST.get("order", FALLBACK),
        is_known=any(row.model_names for row in provider.probes.all()),
    )


def _lines(provider: Any, given: Any) -> list[ListedModel]:
    """What the last test listed, what there is already, and a name that was written by hand."""
    added = dict(provider.deployments.values_list("upstream_model", "model__name"))
    listed = [name for row in provider.probes.all() for name in row.model_names]
    other = given.get("other", "").strip()
    echo = ["echo"] if provider.adapter == Provider.Adapter.ECHO else []
    picked = {*given.getlist("pick"), other} if given else set()
    lines = [
        _line(name, given, added, picked) for name in dict.fromkeys((*added, *listed, *echo, *filter(None, [other])))
    ]
    taken = set(Model.objects.filter(name__in=[line.name for line in lines]).values_list("name", flat=True))
    for line in lines:
        line.exists = line.name in taken
    return lines


def _line(upstream: str, given: Any, added: dict[str, str], picked: set[str]) -> ListedModel:
    name = given.get(f"name:{upstream}", "").strip() or upstream.removeprefix("models/").removesuffix(":latest")[:100]
    return ListedModel(
        upstream=upstream,
        name=name,
        weight=given.get(f"weight:{upstream}", "1").strip(),
        is_chosen=upstream in picked,
        added_as=added.get(upstream, ""),
    )


def _add(provider: Provider, chosen: Sequence[ListedModel], *, is_fallback: bool) -> bool:
    """All of them or, with the errors in their lines, none."""
    try:
        with transaction.atomic():
            for line in chosen:
                line.errors = list(_added(provider, line, is_fallback=is_fallback))
            if any(line.errors for line in chosen):
                raise ValidationError(gettext("Not all of them can be added."))
    except ValidationError:
        return False
    return True


def _added(provider: Provider, line: ListedModel, *, is_fallback: bool) -> Iterator[str]:
    """Adds one, and gives the errors."""
    try:
        model = Model.objects.filter(name=line.name).first() or _new_model(line)
        last = model.deployments.aggregate(last=Max("priority"))["last"]
        priority = 0 if last is None else last + is_fallback
        deployment = Deployment(model=model, provider=provider, upstream_model=line.upstream, priority=priority)
        deployment.full_clean()
        deployment.save()
    except ValidationError as error:
        yield from error.messages


def _new_model(line: ListedModel) -> Model:
    try:
        weight = Decimal(line.weight.replace(",", "."))
    except InvalidOperation:
        raise ValidationError(gettext("The weight is a number, such as 1 or 2.5.")) from None
    model = Model(name=line.name, input_weight=weight, cached_input_weight=weight, output_weight=weight)
    model.full_clean()
    model.save()
    return model
