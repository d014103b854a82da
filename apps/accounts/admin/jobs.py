"""Admin pages of jobs: a list for operators; progress and a stop button for everybody who may see a job."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from apps.accounts.jobs import STATE_KINDS, JobCard, may_cancel, people, seen_jobs
from apps.accounts.models import Course, User
from apps.common.admin import OperatorOnly, Pages, ReadOnly
from apps.common.display import NOTHING, badge, number, when
from apps.common.models import Job
from apps.common.translation import lazy as _


class JobAdmin(ReadOnly, OperatorOnly, Pages):
    empty_text = _("Long work, such as replaying a rule, waits and runs here. Who asked for it sees its progress.")
    list_display = ("what", "shown_state", "far", "who", "where", "asked")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_display_links = ("what",)
    sortable_by = ()
    search_fields = ("title", "kind")
    search_help_text = _("Words of the title, or the kind")
    actions = ("cancel_selected",)

    def get_queryset(self, request: HttpRequest) -> Any:
        author = User.objects.filter(pk=OuterRef("author")).values("username")
        course = Course.objects.filter(pk=OuterRef("course")).values("slug")
        return super().get_queryset(request).annotate(author_name=Subquery(author), course_slug=Subquery(course))

    def get_urls(self) -> list[URLPattern]:
        own: list[URLPattern] = [
            path("<int:pk>/progress/", self.admin_site.admin_view(self.progress_view), name="common_job_progress"),
            path("<int:pk>/cancel/", self.admin_site.admin_view(self.cancel_view), name="common_job_cancel"),
        ]
        return own + list(super().get_urls())

    # For everybody who may see the job

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The progress widget, polled every second while the job runs. Its last answer makes the page reload."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return self._widget(request, _seen(request, pk))

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = _seen(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_cancel(request, job):
            raise PermissionDenied
        job.cancel(now=timezone.now())
        job.refresh_from_db()
        if request.headers.get("hx-request") == "true":
            return self._widget(request, job)
        return HttpResponseRedirect(job.page or reverse("admin:index"))

    def _widget(self, request: HttpRequest, job: Job) -> HttpResponse:
        page = TemplateResponse(request, "admin/job.html", {"card": JobCard.of(request, job)})
        page["Cache-Control"] = "no-store"
        if job.is_finished and request.headers.get("hx-request") == "true":
            page["HX-Refresh"] = "true"
        return page

    # For operators

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        job = self.get_object(request, unquote(object_id))
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, job):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": job,
            "title": job.title,
            "card": JobCard.of(request, job),
            "author": people([job]).get(job.author),
            "course": Course.objects.filter(pk=job.course).first(),
            "kept": Job.KEPT.days,
        }
        return TemplateResponse(request, "admin/job_page.html", context)

    @admin.action(description=_("Cancel"), permissions=("view",))
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        now = timezone.now()
        jobs = Job.objects.unfinished().filter(pk__in=queryset.values("pk"))
        count = sum(job.cancel(now=now) for job in jobs)
        self.message_user(
            request, gettext("{count} cancelled. What runs stops within a second or two.").format(count=count)
        )

    @admin.display(description=_("job"))
    def what(self, job: Job) -> SafeString:
        return format_html('{}<small class="stoa-sub">{}</small>', job.title, job.kind)

    @admin.display(description=_("state"))
    def shown_state(self, job: Job) -> SafeString:
        return badge(job.get_state_display(), STATE_KINDS[job.state], job.error)

    @admin.display(description=_("progress"))
    def far(self, job: Job) -> str:
        return (
            gettext("{done} of {total}").format(done=number(job.done), total=number(job.total))
            if job.total
            else NOTHING
        )

    @admin.display(description=_("asked for by"))
    def who(self, job: Any) -> str:
        return job.author_name or NOTHING

    @admin.display(description=_("course"))
    def where(self, job: Any) -> str:
        return job.course_slug or NOTHING

    @admin.display(description=_("asked"))
    def asked(self, job: Job) -> str:
        return when(job.created_at)


def _seen(request: HttpRequest, pk: int) -> Job:
    job = seen_jobs(request).filter(pk=pk).first()
    if job is None:
        raise Http404
    return job
