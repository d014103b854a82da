"""What changes a service is shown before it is saved, and kept as a version to which one can go back."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms.formsets import all_valid
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from apps.common.admin import Pages
from apps.common.differences import Difference
from apps.services.differences import differences
from apps.services.models import Instance, Service, ServiceCourse, ServiceVersion, documented, together

MOST_VERSIONS = 30


class ReviewedFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Rows that count as not valid yet, and so are shown again, while nobody has confirmed the difference."""

    is_held_back = False

    def full_clean(self) -> None:
        """Says so if somebody else has removed a row: its form names it in a hidden field, whose errors nobody sees."""
        super().full_clean()
        if any("id" in form.errors for form in self.initial_forms):
            self.non_form_errors().append(gettext("Somebody has removed one of these meanwhile. Reload the page."))

    def is_valid(self) -> bool:
        return super().is_valid() and not self.is_held_back

    @property
    def kept(self) -> list[Any]:
        """The rows as they will be."""
        gone = self.deleted_forms
        return [form.instance for form in self.forms if form not in gone and (form.has_changed() or form.instance.pk)]


class Reviewed(Pages):
    """A page that shows the difference, and saves when it is posted again."""

    change_form_before_template = "admin/services/service/review.html"
    change_form_outer_after_template = "admin/services/service/versions.html"

    def get_urls(self) -> list[URLPattern]:
        restore: Callable[..., Any] = self.admin_site.admin_view(self.restore_view)
        address = "<int:pk>/versions/<int:number>/"
        return [path(address, restore, name="services_service_restore"), *super().get_urls()]

    # Saving

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        extra = {**(extra_context or {}), **(self._history(request, object_id) if object_id else {})}
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra)
        with together(note=request.POST.get("note", "")):
            return super().changeform_view(request, object_id, form_url, extra)

    def _create_formsets(self, request: Any, obj: Any, change: bool) -> Any:
        """Django's, kept with the request: whoever saves sees the form alone."""
        formsets, inlines = super()._create_formsets(request, obj, change)
        request.formsets = formsets
        return formsets, inlines

    def save_form(self, request: Any, form: Any, change: bool) -> Any:
        service = super().save_form(request, form, change)
        if change and all_valid(request.formsets):
            found = differences(stored(service), proposed(service, request.formsets))
            if found and request.POST.get("confirmed") != digest(found):
                request.review = {"differences": found, "digest": digest(found)}
                request.formsets[0].is_held_back = True
        return service

    def render_change_form(self, request: Any, context: Any, *args: Any, **options: Any) -> Any:
        context["review"] = getattr(request, "review", None)
        return super().render_change_form(request, context, *args, **options)

    # Versions

    def _history(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        service = self.get_object(request, object_id)
        versions = list(service.versions.select_related("author")[: MOST_VERSIONS + 1])
        return {
            "history": [
                {"version": version, "differences": version.differences(before)}
                for version, before in zip(versions, [*versions[1:], None], strict=True)
            ][:MOST_VERSIONS],
            "has_older": len(versions) > MOST_VERSIONS,
            "latest": versions[0].number if versions else None,
            "may_change": self.has_change_permission(request, service),
        }

    def restore_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """Asks first, with the difference from now to then."""
        service: Service = self.get_object(request, str(pk))
        if not self.has_change_permission(request, service):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        version = service.versions.filter(number=number).first()
        if version is None:
            raise Http404
        found = differences(service.document(), version.fields)
        if found and request.POST.get("confirmed") != digest(found):
            return self._asked(request, service, version, found)
        return self._restored(request, service, version)

    def _asked(
        self, request: HttpRequest, service: Service, version: ServiceVersion, found: Sequence[Difference]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Back to version {number} of {service}?").format(number=version.number, service=service),
            "service": service,
            "version": version,
            "review": {"differences": found, "digest": digest(found)},
        }
        return TemplateResponse(request, "admin/services/service/restore.html", context)

    def _restored(self, request: HttpRequest, service: Service, version: ServiceVersion) -> HttpResponse:
        try:
            service.restore(version)
        except ValidationError as error:
            self.message_user(request, gettext("Not restored: {error}").format(error=told(error)), messages.ERROR)
        else:
            said = gettext("{service} is what it was in version {number}. This holds within two seconds.").format(
                service=service, number=version.number
            )
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:services_service_change", args=[service.pk]))


def stored(service: Service) -> dict[str, Any]:
    return Service._base_manager.get(pk=service.pk).document()


def proposed(service: Service, formsets: Sequence[ReviewedFormSet]) -> dict[str, Any]:
    """The service as the forms would have it."""
    kept = {formset.model: formset.kept for formset in formsets}
    courses = [row.course.slug for row in kept.get(ServiceCourse, ())]
    return documented(service, instances=kept.get(Instance, ()), courses=courses)


def digest(found: Sequence[Difference]) -> str:
    """What somebody confirms: if anything else changed meanwhile, the difference is another and is shown again."""
    text = json.dumps([[one.field, one.before, one.after] for one in found])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def told(error: ValidationError) -> str:
    """The messages with the names of their fields."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(f"{name}: {' '.join(sentences)}" for name, sentences in error.message_dict.items())
