"""Deciding a request for more on its own page: another amount than was asked for, and an answer."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone

from apps.accounts.scoping import CourseScoping
from apps.common.display import number
from apps.quotas.models import AllowanceRequest
from apps.quotas.requests import LONGEST_REASON, MOST_TOKENS

LIST = "admin:quotas_allowancerequest_changelist"
PAGE = "admin:quotas_allowancerequest_change"


class DecidedOnItsPage:
    """For the pages of requests. Who may change rows of the course may decide."""

    change_form_after_template = "admin/quotas/allowancerequest/decide.html"

    def get_urls(self: Any) -> Any:
        decide = self.admin_site.admin_view(self.decide_one)
        return [
            path(f"<int:request_id>/{verb}/", decide, {"verb": verb}, name=f"quotas_allowancerequest_{verb}")
            for verb in ("grant", "decline")
        ] + super().get_urls()  # type: ignore[misc]

    def change_view(
        self: Any, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id)
        may = row is not None and self._may_decide(request, row) and row.state == AllowanceRequest.State.OPEN
        context = {**(extra_context or {}), "may_decide": may, "longest": LONGEST_REASON}
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc]

    def decide_one(self: Any, request: HttpRequest, request_id: int, verb: str) -> HttpResponse:
        row = self.get_queryset(request).filter(pk=request_id).first()
        if row is None or not self._may_decide(request, row):
            raise Http404
        if request.method != "POST":
            return HttpResponseRedirect(reverse(PAGE, args=[row.pk]))
        amount, answer = request.POST.get("tokens", "").strip(), request.POST.get("answer", "").strip()
        if amount and not (amount.isascii() and amount.isdigit() and 0 < int(amount[:16]) <= MOST_TOKENS):
            messages.error(request, "Write how many tokens to grant as a whole number, such as 5000.")
            return HttpResponseRedirect(reverse(PAGE, args=[row.pk]))
        _decide(request, row, verb, tokens=int(amount) if amount else row.tokens, answer=answer[:LONGEST_REASON])
        return HttpResponseRedirect(reverse(LIST))

    def _may_decide(self: Any, request: HttpRequest, row: AllowanceRequest) -> bool:
        return CourseScoping.has_change_permission(self, request, row)


def _decide(request: HttpRequest, row: AllowanceRequest, verb: str, *, tokens: int, answer: str) -> None:
    now, by = timezone.now(), request.user
    if verb == "grant":
        done = row.grant(by=by, now=now, tokens=tokens, answer=answer)  # type: ignore[arg-type]  # signed in
        said = f"{number(tokens)} tokens granted to {row.membership.user}, live within two seconds."
    else:
        done = row.decline(by=by, now=now, answer=answer)  # type: ignore[arg-type]
        said = f"Declined. {row.membership.user} sees it in their usage."
    messages.success(request, said if done else "This request had been decided before; nothing was changed.")
