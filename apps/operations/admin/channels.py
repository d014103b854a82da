"""Admin pages of notification channels. Signing secrets are write-only."""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from apps.accounts.audit import record
from apps.common.admin import OperatorOnly, Pages
from apps.common.display import badge, when
from apps.common.translation import lazy as _
from apps.operations import signing
from apps.operations.messages import Notice, NotificationMessage
from apps.operations.models import About, NotificationChannel, NotificationDelivery
from apps.operations.models.channels import SHORTEST_SECRET

_State = NotificationDelivery.State


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        label=_("Signing secret"),
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text=format_lazy(
            _(
                "Webhooks only. The receiver checks signatures with the same secret: whsec_ and base64, "
                "or any text of {shortest_secret} characters or more. Stored encrypted and never shown "
                "again. Empty keeps what there is."
            ),
            shortest_secret=SHORTEST_SECRET,
        ),
    )

    class Meta:
        model = NotificationChannel
        fields = "__all__"
        widgets = {"recipients": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def clean_secret(self) -> str:
        secret: str = self.cleaned_data["secret"]
        if secret and len(secret) < SHORTEST_SECRET:
            raise forms.ValidationError(
                gettext("Enter at least {shortest_secret} characters.").format(shortest_secret=SHORTEST_SECRET)
            )
        try:
            signing.key_of(secret)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return secret

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_webhook = cleaned.get("kind") == NotificationChannel.Kind.WEBHOOK
        if is_webhook and "secret" in cleaned and not (cleaned["secret"] or self.instance.ciphertext):
            self.add_error("secret", gettext("A webhook needs a secret, so that its receiver knows who sends."))
        return cleaned


@admin.register(NotificationChannel)
class NotificationChannelAdmin(OperatorOnly, Pages):
    empty_text = _(
        "Nobody is told when a provider goes down or an allowance runs out. Add e-mail addresses or a webhook. "
        "docs/notifications.md shows how a receiver checks a webhook."
    )
    add_words = _("Add channel")
    form = ChannelForm
    change_form_outer_before_template = "admin/operations/notificationchannel/test.html"
    list_display = ("name", "kind", "target", "chosen", "latest", "is_active")
    list_filter = (("kind", ChoicesDropdownFilter), ("is_active", BooleanRadioFilter))
    search_fields = ("name", "recipients")
    search_help_text = _("Name or e-mail address")
    autocomplete_fields = ("course",)
    fieldsets = (
        (None, {"fields": ("name", "kind", "is_active")}),
        (_("E-mail"), {"fields": ("recipients",)}),
        (_("Webhook"), {"fields": ("url", "secret", "allow_private_network")}),
        (_("What it is told"), {"fields": (*About.values, "course", "cooldown_minutes")}),
    )

    def get_urls(self) -> list[URLPattern]:
        test: Any = self.admin_site.admin_view(self.test_view)
        return [path("<int:pk>/test/", test, name="operations_notificationchannel_test"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        channel = self.get_object(request, object_id)
        failed = channel.deliveries.filter(state__in=(_State.WAITING, _State.DEAD)).exclude(error="").first()
        extra = {"channel": channel, "target": self.target(channel), "failure": failed.error if failed else ""}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def save_model(self, request: HttpRequest, obj: NotificationChannel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.cleaned_data.get("secret"):
            obj.set_secret(form.cleaned_data["secret"])

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST sends one message now and says whether it arrived, or what is wrong."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        channel = get_object_or_404(NotificationChannel, pk=pk)
        here = reverse("admin:operations_notificationchannel_change", args=[pk])
        # Loaded here, since httpx takes megabytes that most web processes never need.
        outlet = import_module("apps.operations.delivering").outlet_of(channel)
        now = datetime.now(UTC)
        trouble = outlet.send(_test_message(channel, request.build_absolute_uri(here), now=now), now=now)
        record("channel.tested", subject=channel, after={"trouble": trouble})
        if trouble:
            self.message_user(
                request, gettext("The test did not arrive: {trouble}").format(trouble=trouble), messages.WARNING
            )
        else:
            self.message_user(
                request,
                gettext("The test went out to {channel}.").format(channel=self.target(channel)),
                messages.SUCCESS,
            )
        return HttpResponseRedirect(here)

    @admin.display(description=_("to"))
    def target(self, channel: NotificationChannel) -> str:
        """Of a webhook the host alone: anybody with the whole address may be able to post to it."""
        if channel.kind == NotificationChannel.Kind.WEBHOOK:
            return urlsplit(channel.url).netloc
        first, *others = channel.addresses or [gettext("nobody")]
        return gettext("{first} and {others} more").format(first=first, others=len(others)) if others else first

    @admin.display(description=_("is told of"))
    def chosen(self, channel: NotificationChannel) -> str:
        chosen = [str(About(name).label) for name in About.values if getattr(channel, name)]
        return gettext("everything") if len(chosen) == len(About.values) else ", ".join(chosen) or gettext("nothing")

    @admin.display(description=_("latest"))
    def latest(self, channel: NotificationChannel) -> str | SafeString:
        last = channel.deliveries.exclude(state=_State.SUPERSEDED).exclude(attempts=0).first()
        if last is None:
            return badge(gettext("nothing sent yet"), "")
        return when(last.sent_at) if last.state == _State.SENT else badge(gettext("fails"), "bad", last.error)


def _test_message(channel: NotificationChannel, address: str, *, now: datetime) -> NotificationMessage:
    notice = Notice(
        id=0,
        kind="test",
        level="good",
        title=gettext("This is a test"),
        detail=gettext("The notification channel {channel} works.").format(channel=channel),
        address=address,
        at=now,
    )
    return NotificationMessage((notice,))
