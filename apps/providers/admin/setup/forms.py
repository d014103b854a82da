"""The forms of setting a provider up."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.utils.text import slugify
from django.utils.translation import gettext

from apps.common.hosting import Hosting
from apps.common.translation import lazy as _
from apps.providers.models import Provider
from apps.providers.presets import Preset
from apps.providers.validation import validate_secret

NAME_HELP = _("What staff see, such as openai-eu: letters, digits and hyphens. Spaces become hyphens.")
NAME_ERROR = _("Use letters, digits, hyphens and underscores only, such as openai-eu.")
PRIVATE_HELP = _("Turn this on only for a server inside your own network, such as a model server next door.")


class AddressForm(forms.ModelForm):  # type: ignore[type-arg]
    """The name and the address, checked before anything is sent."""

    name = forms.CharField(max_length=60, help_text=NAME_HELP)

    class Meta:
        model = Provider
        fields = ("name", "base_url", "allow_private_network", "hosting", "region")
        labels = {"base_url": _("Address"), "hosting": _("Who runs it")}
        help_texts = {"allow_private_network": PRIVATE_HELP}

    def __init__(self, *args: Any, preset: Preset, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["base_url"].help_text = preset.address_hint
        self.fields["hosting"] = forms.ChoiceField(
            choices=Hosting.choices, label=gettext("Who runs it"), help_text=self.fields["hosting"].help_text
        )
        if preset.adapter == Provider.Adapter.ECHO:
            for name in ("base_url", "allow_private_network", "region", "hosting"):
                del self.fields[name]
        _dress(self)

    def clean_name(self) -> str:
        """A name as people write it becomes one that can stand in a file of configuration."""
        name: str = self.cleaned_data["name"].strip()
        try:
            validate_slug(name)
        except ValidationError:
            name = slugify(name)
        if not name:
            raise ValidationError(NAME_ERROR)
        return name

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        if "YOUR-" in cleaned.get("base_url", ""):
            self.add_error("base_url", gettext("Replace the capital letters by the name of your own resource."))
        return cleaned

    def _post_clean(self) -> None:
        """After the model's own checks of the address: where does its name lead?"""
        super()._post_clean()  # type: ignore[misc]
        if self.instance.adapter == Provider.Adapter.ECHO or self.errors:
            return
        # Imported here, since httpx takes megabytes that most web processes never need.
        from apps.providers.probes.addresses import trouble_with

        is_private_allowed = self.cleaned_data["allow_private_network"]
        if trouble := trouble_with(self.instance.base_url, allow_private=is_private_allowed):
            self.add_error("base_url", trouble)


class KeyForm(forms.Form):
    secret = forms.CharField(
        label=_("Key"),
        required=False,
        strip=True,
        validators=[validate_secret],
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=False),
    )

    def __init__(self, *args: Any, preset: Preset, is_stored: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_needed = preset.needs_key and not is_stored
        kept = gettext(" Leave it empty to keep the one there is.") if is_stored else ""
        self.fields["secret"].help_text = gettext(
            "{key_hint} It is stored encrypted and never shown again.{kept}"
        ).format(key_hint=preset.key_hint, kept=kept)
        _dress(self)

    def clean_secret(self) -> str:
        secret: str = self.cleaned_data["secret"]
        if not secret and self.is_needed:
            raise ValidationError(gettext("Enter the key, or come back to this step when you have it."))
        return secret


class QuestionForm(forms.Form):
    question = forms.CharField(max_length=500, initial=_("Say hello in one short sentence."))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _dress(self)


def _dress(form: Any) -> None:
    """Fields look like those of the pages made by hand."""
    for field in form.fields.values():
        if not isinstance(field, forms.BooleanField):
            field.widget.attrs.setdefault("class", "stoa-input")
