"""The last step: a question to a model, along the way that the calls of a course's students take."""

from dataclasses import asdict, dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from apps.common.display import duration
from apps.providers.admin.setup.forms import QuestionForm
from apps.providers.admin.setup.page import setup_page, to_step
from apps.providers.catalogue import Target, load_catalogue
from apps.providers.models import CourseModel, Provider

KEPT = "answer of a provider"  # in the session, until the page has shown it
MOST = 100


@dataclass(frozen=True, slots=True)
class Way:
    """A model as a course may use it."""

    key: str
    course: Any
    model: str


def step(request: HttpRequest, provider: Provider) -> HttpResponse:
    ways = _ways(provider)
    form = QuestionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        way = next((one for one in ways if one.key == request.POST.get("way")), None)
        if way is None:
            messages.warning(request, gettext("Choose a course and a model."))
        else:
            request.session[KEPT] = _asked(form.cleaned_data["question"], way, provider)
        return to_step(provider, "ask")
    answer = request.session.pop(KEPT, None)
    if answer is not None and answer["provider"] != provider.pk:
        answer = None
    return setup_page(
        request,
        "ask",
        title=gettext("{name}: ask it").format(name=provider.name),
        provider=provider,
        form=form,
        ways=ways,
        answer=answer,
    )


def _ways(provider: Provider) -> list[Way]:
    rows = CourseModel.objects.filter(model__deployments__provider=provider).select_related("course", "model")
    found = rows.distinct().order_by("course__title", "model__name")[:MOST]
    return [Way(str(row.pk), row.course, row.model.name) for row in found]


def _asked(question: str, way: Way, provider: Provider) -> dict[str, Any]:
    """The answer as the page shows it, or why a student would get none."""
    about = {"provider": provider.pk, "question": question, "course": str(way.course), "model": way.model}
    target, barred = _target(way, provider)
    if target is None:
        return {**about, "text": "", "trouble": barred}
    # Imported here, since httpx takes megabytes that most web processes never need.
    from apps.providers.probes.question import put

    found = asdict(put(question, target))
    return {**about, **found, "took": duration(found["milliseconds"]), "upstream": target.upstream_model}


def _target(way: Way, provider: Provider) -> tuple[Target | None, str]:
    """The deployment that a student's call would be sent to at this provider, or why there is none."""
    catalogue = load_catalogue()
    route = catalogue.route(way.model, way.course.demand) if catalogue.allows(way.course.pk, way.model) else None
    if not way.course.is_open:
        return None, gettext("The course is closed, so it refuses every call.")
    if route is None:
        return None, gettext("The course may not use {model}, or the model is switched off.").format(model=way.model)
    if route.barred_by:
        return None, gettext(
            "Prompts of this {barred_by} may not go to this provider: see who runs it, and its region."
        ).format(barred_by=route.barred_by)
    here = [target for target in route.targets if target.provider == provider.name]
    if not here:
        return None, gettext("No deployment of {model} at {name} is switched on where these prompts may go.").format(
            model=way.model, name=provider.name
        )
    if provider.adapter != Provider.Adapter.ECHO and not here[0].secrets and provider.credentials.exists():
        return None, gettext("None of its keys can be used.")
    return here[0], ""
