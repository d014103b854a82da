"""Help: the documents for people who use the admin, from docs/, at `/admin/help/<page>/`."""

import re
from functools import lru_cache
from pathlib import Path

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

from apps.common.translation import lazy as _
from gateway_project.env import BASE_DIR

DOCS = BASE_DIR / "docs"
# The address of each page of help, its title, and its document. The first one is where a reader begins.
PAGES: dict[str, tuple[str, str]] = {
    "course": (_("A course in ten minutes"), "course-in-ten-minutes.md"),
    "rules": (_("Rules"), "rules.md"),
    "rules-in-depth": (_("Rules in depth"), "rules-in-depth.md"),
    "allowances": (_("Weekly allowances"), "quotas.md"),
    "trouble": (_("Something does not work"), "trouble.md"),
    "roles": (_("Roles and keys"), "roles.md"),
    "sign-in": (_("Signing in"), "sign-in.md"),
    "providers": (_("Providers"), "providers.md"),
    "services": (_("Services"), "services.md"),
    "audit": (_("The audit log"), "audit.md"),
    "notifications": (_("Notifications"), "notifications.md"),
    "reference": (_("Error codes, headers and metrics"), "reference.md"),
}
# Which page of help belongs to which pages of the admin; the first that matches.
ABOUT = (
    (r"/rules?/|/appeal/", "rules"),
    (r"/conversations/call/", "trouble"),
    (r"/quotas/|/allowance/", "allowances"),
    (r"/providers/", "providers"),
    (r"/services/", "services"),
    (r"/auditentry/", "audit"),
    (r"/notification", "notifications"),
    (r"/apikey/|/staffkey/|/user/|/department/", "roles"),
    (r"/issuer/|/groupgrant/|/tokenfamily/", "sign-in"),
)


def help_page(request: HttpRequest, page: str = "") -> HttpResponse:
    name = page or next(iter(PAGES))
    if name not in PAGES:
        raise Http404
    title, file = PAGES[name]
    context = {
        **admin.site.each_context(request),
        "title": title,
        "pages": [(one, words) for one, (words, _) in PAGES.items()],
        "page": name,
        "text": rendered(DOCS / file),
    }
    return TemplateResponse(request, "admin/help.html", context)


def about(path: str) -> str:
    """The address of the page of help that belongs to this page."""
    found = next((page for pattern, page in ABOUT if re.search(pattern, path)), next(iter(PAGES)))
    return reverse("admin:help_page", args=[found])


@lru_cache(maxsize=len(PAGES))
def rendered(path: Path) -> SafeString:
    """A document as HTML. Links lead to other pages of help; where there is none, only their words stay."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(path.read_text())
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs["href"] = _address(str(child.attrs["href"]))
    html = str(parser.renderer.render(tokens, parser.options, {})).replace("<th></th>", "<td></td>")
    return SafeString(html)  # of our own documents, and without the HTML in them


def _address(target: str) -> str:
    if target.startswith(("https://", "#")):
        return target
    file, _, anchor = target.partition("#")
    page = next((name for name, (_, document) in PAGES.items() if document == file), None)
    return "#" if page is None else reverse("admin:help_page", args=[page]) + (f"#{anchor}" if anchor else "")
