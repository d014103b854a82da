"""Pages of a course that take its students from a file: upload, preview, and how far it is."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from apps.accounts.course_pages import course_page
from apps.accounts.jobs import JobCard
from apps.accounts.models import Course, Membership, Roster
from apps.accounts.permissions import Verb
from apps.accounts.rosters import applying
from apps.accounts.rosters.planning import RosterPlan
from apps.accounts.rosters.reading import MOST_BYTES, UnreadableRoster, columns_of, read
from apps.accounts.scoping import may
from apps.common.jobs import TooManyJobs
from apps.common.models import Job
from apps.common.translation import lazy as _

SHOWN: Final = 30  # rows of each kind
MANY_GONE: Final = 0.2  # of the students that rosters brought: then somebody has to ask for it
KEPT: Final = 10  # rosters of a course
FIELDS: Final = {
    "number": _("Student number"),
    "email": _("E-mail"),
    "first_name": _("First name"),
    "last_name": _("Last name"),
    "name": _("Name in one column"),
    "role": _("Role"),
}


class RosterForm(forms.Form):
    """A file, or the same pasted out of a spreadsheet."""

    file = forms.FileField(required=False, label=_("File"))
    text = forms.CharField(required=False, label=_("Or paste"), widget=forms.Textarea, max_length=1_000_000)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        file, text = cleaned.get("file"), cleaned.get("text", "")
        if not file and not text.strip():
            raise forms.ValidationError(gettext("Choose a file, or paste rows with their header."))
        if file and file.size > MOST_BYTES:
            raise forms.ValidationError(gettext("The file is too large. Upload the list of one course."))
        try:
            cleaned["table"] = read(file.read() if file else text.encode())
        except UnreadableRoster as error:
            raise forms.ValidationError(str(error)) from None
        cleaned["name"] = file.name[:200] if file else gettext("pasted rows")
        return cleaned


@course_page
def upload_page(request: HttpRequest, course: Course) -> HttpResponse:
    _check(request, course)
    form = RosterForm(request.POST, request.FILES) if request.method == "POST" else RosterForm()
    if request.method == "POST" and form.is_valid():
        roster = _store(request, course, form.cleaned_data)
        return HttpResponseRedirect(reverse("admin:course_roster", args=[course.slug, roster.pk]))
    earlier = course.rosters.select_related("author").defer("table")[:KEPT]
    context = {"title": gettext("Students from a file"), "form": form, "earlier": earlier}
    return _page(request, course, "upload", context, status=400 if form.errors else 200)


@course_page
def roster_page(request: HttpRequest, course: Course, pk: int) -> HttpResponse:
    _check(request, course)
    roster = course.rosters.filter(pk=pk).first()
    if roster is None:
        raise Http404
    roster.course = course
    if request.method == "POST":
        return _choose(request, roster) if "number" in request.POST else _apply(request, roster)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    job = Job.objects.filter(kind=applying.KIND, subject=applying.subject(roster)).first()
    context: dict[str, Any] = {
        "title": roster.file_name,
        "roster": roster,
        "card": job and JobCard.of(request, job),
        **_preview(roster, job),
    }
    return _page(request, course, "roster", context)


def _check(request: HttpRequest, course: Course) -> None:
    if not (may(request, Verb.ADD, "Membership", course.pk) and may(request, Verb.CHANGE, "Membership", course.pk)):
        raise PermissionDenied


def _store(request: HttpRequest, course: Course, cleaned: dict[str, Any]) -> Roster:
    """Keep the table until it is applied. Tables of earlier uploads that nobody applied are forgotten."""
    course.rosters.filter(state=Roster.State.WAITING).exclude(pk__in=_underway(course)).delete()
    table = cleaned["table"]
    return Roster.objects.create(
        course=course,
        author_id=request.user.pk,
        file_name=cleaned["name"],
        created_at=timezone.now(),
        table={"header": table.header, "rows": table.rows, "lines": table.lines},
        columns=columns_of(table.header),
    )


def _underway(course: Course) -> list[int]:
    jobs = Job.objects.unfinished().filter(kind=applying.KIND, course=course.pk)
    return [int(job.params["roster"]) for job in jobs]


def _choose(request: HttpRequest, roster: Roster) -> HttpResponse:
    """Which column is which, chosen by hand."""
    header = roster.table.get("header", [])
    chosen = {field: request.POST.get(field, "") for field in FIELDS}
    columns = {field: int(index) for field, index in chosen.items() if index.isdecimal() and int(index) < len(header)}
    if len(set(columns.values())) < len(columns):
        messages.error(request, gettext("A column can be one thing only."))
    elif roster.state == Roster.State.WAITING:
        Roster.objects.filter(pk=roster.pk).update(columns=columns)
    return HttpResponseRedirect(request.path)


def _apply(request: HttpRequest, roster: Roster) -> HttpResponse:
    """What the preview showed, which the form names; nothing else."""
    if roster.state != Roster.State.WAITING or "number" not in roster.columns:
        return HttpResponseRedirect(request.path)
    found = applying.plan_of(roster)
    if found.mistakes or found.fingerprint != request.POST.get("plan"):
        messages.warning(request, gettext("The course has changed since this page was opened. Look again."))
        return HttpResponseRedirect(request.path)
    deactivates, author, now = request.POST.get("deactivates") == "yes", int(request.user.pk or 0), timezone.now()
    try:
        applying.ask_for(roster, found, deactivates=deactivates, author=author, page=request.path, now=now)
    except TooManyJobs as error:
        messages.warning(request, error.message)
    return HttpResponseRedirect(request.path)


def _preview(roster: Roster, job: Job | None) -> dict[str, Any]:
    if roster.state == Roster.State.APPLIED or (job is not None and not job.is_finished):
        return {}
    header = list(enumerate(roster.table["header"]))
    fields = [(field, title, roster.columns.get(field)) for field, title in FIELDS.items()]
    preview: dict[str, Any] = {"header": header, "fields": fields, "rows": len(roster.table["rows"])}
    if "number" in roster.columns:
        found = applying.plan_of(roster)
        preview |= {"plan": found, "shown": SHOWN, "many_gone": _many_gone(roster, found)}
    return preview


def _many_gone(roster: Roster, found: RosterPlan) -> bool:
    brought = roster.course.memberships.filter(is_active=True).exclude(roster=None).count()
    return len(found.gone) > MANY_GONE * brought


def _page(
    request: HttpRequest, course: Course, name: str, context: dict[str, Any], *, status: int = 200
) -> TemplateResponse:
    around = {**admin.site.each_context(request), "opts": Membership._meta, "course": course}
    return TemplateResponse(request, f"admin/course/roster/{name}.html", {**around, **context}, status=status)
