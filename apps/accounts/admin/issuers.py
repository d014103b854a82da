"""Admin pages of issuers and of what their groups give, for operators. Client secrets are write-only."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminPasswordWidget

from apps.accounts.models import GroupGrant, Issuer
from apps.accounts.sign_in.campus.roles import take_back
from apps.accounts.sign_in.discovery import IssuerTrouble, Source, fetch, run
from apps.accounts.sign_in.step_up import StepUp
from apps.common.admin import ChoiceFilter, OperatorOnly, Pages
from apps.common.display import badge
from apps.common.translation import lazy as _


class IssuerForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text=_("Stored encrypted and never shown again. Empty keeps what there is."),
    )

    class Meta:
        model = Issuer
        fields = "__all__"


class GrantInline(OperatorOnly, TabularInline):
    model = GroupGrant
    verbose_name_plural = _("What its groups give")
    fields = ("group", "course", "role", "department", "is_operator")
    autocomplete_fields = ("course",)
    extra = 0
    hide_title = True
    tab = True


class KindOfGrant(ChoiceFilter):
    title = _("gives")
    parameter_name = "gives"

    def options(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [
            ("course", gettext("A role in a course")),
            ("department", gettext("Admin of a department")),
            ("operator", gettext("Operator")),
        ]

    def narrow(self, queryset: Any, value: str, request: HttpRequest) -> Any:
        narrowed = {"course": Q(course__isnull=False), "department": Q(department__isnull=False)}
        return queryset.filter(narrowed.get(value, Q(is_operator=True)))


@admin.register(GroupGrant)
class GroupGrantAdmin(OperatorOnly, StepUp, Pages):
    list_title = _("Grants of groups")
    empty_text = _(
        "Say what everybody in a group of your campus gets: a role in a course, a department, or the rights of an "
        "operator. Without a grant, groups give nothing."
    )
    list_display = ("group", "issuer", "given")
    list_filter = (("issuer", admin.RelatedOnlyFieldListFilter), KindOfGrant, ("role", ChoicesDropdownFilter))
    list_select_related = ("issuer", "course", "department")
    search_fields = ("group", "course__slug", "course__title", "department__slug", "department__title")
    search_help_text = _("Group, course or department")
    autocomplete_fields = ("course",)
    fields = ("issuer", "group", "course", "role", "department", "is_operator")

    @admin.display(description=_("gives"), ordering="course")
    def given(self, grant: GroupGrant) -> str:
        return grant.gives


@admin.register(Issuer)
class IssuerAdmin(OperatorOnly, StepUp, Pages):
    empty_text = _(
        "Add your institution's identity provider, if it speaks OpenID Connect: its address, and the client ID and "
        "secret that it gives you. Then say what its groups give. docs/sign-in.md has examples."
    )
    form = IssuerForm
    change_form_outer_before_template = "admin/accounts/issuer/test.html"
    list_display = ("title", "name", "issuer", "uses", "grant_count", "holders", "is_active")
    list_filter = (
        ("is_active", BooleanRadioFilter),
        ("signs_in", BooleanRadioFilter),
        ("second_factor", ChoicesDropdownFilter),
    )
    search_fields = ("name", "title", "issuer")
    search_help_text = _("Name, title or address")
    prepopulated_fields = {"name": ("title",)}
    inlines = (GrantInline,)
    actions = ("take_back_roles",)
    fieldsets = (
        (None, {"fields": ("title", "name", "issuer", "is_active")}),
        (_("Signing in"), {"fields": ("signs_in", "client_id", "secret", "scopes", "second_factor")}),
        (
            _("Who somebody is"),
            {
                "fields": ("id_claim", "groups_claim"),
                "description": _("A first sign-in finds its person by a verified e-mail address or by this ID."),
            },
        ),
        (_("Its tokens"), {"fields": ("token_audience",)}),
        (_("Network"), {"fields": ("allow_private_network",)}),
    )

    def get_urls(self) -> list[URLPattern]:
        test: Any = self.admin_site.admin_view(self.test_view)
        return [path("<int:pk>/test/", test, name="accounts_issuer_test"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        held = Count("given_roles__user", filter=Q(given_roles__is_held=True), distinct=True)
        return super().get_queryset(request).annotate(grant_total=Count("grants", distinct=True), held_total=held)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        issuer = self.get_object(request, object_id)
        callback = request.build_absolute_uri(reverse("openid_connect_callback", args=[issuer.name]))
        extra = {"issuer": issuer, "redirect_uri": callback}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def save_model(self, request: HttpRequest, obj: Issuer, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.cleaned_data.get("secret"):
            obj.set_secret(form.cleaned_data["secret"])
        elif change and obj.moved_from(form.initial["issuer"]) and obj.forget_secret():
            said = gettext("The address changed, so the client secret was forgotten. Enter the new server's.")
            self.message_user(request, said, messages.WARNING)

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST asks the issuer now, in a few seconds, and says what is wrong or that nothing is."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        issuer = get_object_or_404(Issuer, pk=pk)
        self.message_user(request, *_tested(issuer))
        return HttpResponseRedirect(reverse("admin:accounts_issuer_change", args=[pk]))

    @admin.action(description=_("Take back what its groups gave"), permissions=("change",))
    def take_back_roles(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = sum(take_back(issuer, now=timezone.now()) for issuer in queryset)
        said = gettext(
            "{count} people no longer have what groups gave them. The next sign-in gives it again, unless you "
            "delete the grants or set the issuer inactive."
        )
        self.message_user(request, said.format(count=count))

    @admin.display(description=_("used for"))
    def uses(self, issuer: Issuer) -> SafeString:
        if not issuer.is_active:
            return badge(gettext("nothing"), "")
        if issuer.signs_in and not issuer.ciphertext:
            return badge(gettext("no secret yet"), "warning", gettext("Most issuers demand a client secret."))
        used = [
            word
            for word, on in ((gettext("sign-in"), issuer.signs_in), (gettext("tokens"), issuer.token_audience))
            if on
        ]
        return badge(", ".join(used) or gettext("nothing"), "good" if used else "")

    @admin.display(description=_("grants"), ordering="grant_total")
    def grant_count(self, issuer: Any) -> int:
        return int(issuer.grant_total)

    @admin.display(description=_("people with roles from groups"), ordering="held_total")
    def holders(self, issuer: Any) -> int:
        return int(issuer.held_total)


def _tested(issuer: Issuer) -> tuple[str, int]:
    source = Source(issuer=issuer.issuer, allow_private=issuer.allow_private_network)
    try:
        found = run(fetch(source))
    except IssuerTrouble as trouble:
        return str(trouble), messages.WARNING
    keys = ngettext("{keys} key", "{keys} keys", len(found.keys)).format(keys=len(found.keys))
    lacking = "" if issuer.ciphertext else gettext(" It has no client secret yet, which most issuers demand.")
    return gettext("The issuer answers, calls itself as expected and publishes {keys} for signatures.{lacking}").format(
        keys=keys, lacking=lacking
    ), (messages.WARNING if lacking else messages.SUCCESS)
