"""How to set up a client for a course, ready to paste."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.common.translation import lazy as _
from apps.portal.pages.access import Visit, shown, student_page
from apps.providers.models import CourseModel

NO_MODEL = "MODEL"
SET_KEY = "export STOA_KEY=stoa_sk_…"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to paste for one client. `where` says where it goes."""

    slug: str
    title: str
    where: str
    text: str


@require_safe
@student_page
def page(request: HttpRequest, visit: Visit) -> HttpResponse:
    allowed = CourseModel.objects.offered().filter(course=visit.course).select_related("model")
    names = [row.model.name for row in allowed.order_by("model__name")]
    base_url = request.build_absolute_uri("/v1")
    recipes = _recipes(base_url, names[0] if names else NO_MODEL)
    return shown(
        request, visit, "start", {"base_url": base_url, "names": names, "recipes": recipes, "set_key": SET_KEY}
    )


def _recipes(base_url: str, model: str) -> list[Recipe]:
    return [Recipe(slug, title, str(where), text % (base_url, model)) for slug, title, where, text in _RECIPES]


_PYTHON = """\
import os

from openai import OpenAI

client = OpenAI(base_url="%s", api_key=os.environ["STOA_KEY"])
answer = client.chat.completions.create(
    model="%s",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)
"""
_NODE = """\
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "%s", apiKey: process.env.STOA_KEY });
const answer = await client.chat.completions.create({
  model: "%s",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);
"""
_CURL = """\
curl %s/chat/completions \\
  -H "Authorization: Bearer $STOA_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "%s", "messages": [{"role": "user", "content": "Hello"}]}'
"""
_WEBUI = """\
URL: %s
Key: your key
Model ID: %s
"""
_OTHERS = """\
Base URL: %s
API key: your key
Model: %s
"""
_RECIPES = (
    ("python", "Python", _("pip install openai, then a file or a notebook"), _PYTHON),
    ("node", "Node", _("npm install openai, then a file hello.mjs"), _NODE),
    ("curl", "curl", _("a terminal"), _CURL),
    ("webui", "Open WebUI", _("Settings, Connections, OpenAI API: add a connection"), _WEBUI),
    ("others", "OpenAI-compatible", _("wherever a program asks for these"), _OTHERS),
)
