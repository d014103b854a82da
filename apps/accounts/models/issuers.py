"""Issuers: identity providers that people sign in through or whose tokens are accepted, and what their groups give."""

from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext

from apps.accounts.audit.audited import AuditedModel, AuditedQuerySet
from apps.accounts.models.courses import Course
from apps.accounts.models.departments import Department
from apps.accounts.models.fields import TOPIC, Role
from apps.common import encryption
from apps.common.addresses import check_url
from apps.common.translation import lazy as _


def check_issuer(url: str, *, allow_private_network: bool) -> None:
    """Raises ValueError with a sentence, unless the URL may be an issuer. It is compared with tokens as it is."""
    check_url(url)
    if urlsplit(url).scheme != "https" and not allow_private_network:
        raise ValueError("The address must start with https://. Only an issuer in your own network may use http://.")


class Issuer(AuditedModel):
    """An identity provider that speaks OpenID Connect. Its client secret can be set but never read back."""

    topic: ClassVar[str] = TOPIC

    class SecondFactor(models.TextChoices):
        OWN = "own", _("Stoa's own: whoever needs a second factor is asked for it here too")
        CLAIM = "claim", _("The issuer's, if its amr or acr claim says that it asked for one")
        ALWAYS = "always", _("The issuer's: it asks everybody for one")

    name = models.SlugField(
        max_length=60, unique=True, help_text=_("Short name in addresses and files, such as campus.")
    )
    title = models.CharField(max_length=100, help_text=_("What the button of the sign-in page says: Sign in with …"))
    issuer = models.CharField(
        _("issuer URL"),
        max_length=200,
        unique=True,
        help_text=_("Exactly as the issuer spells it, without /.well-known/openid-configuration."),
    )
    client_id = models.CharField(_("client ID"), max_length=200, blank=True, help_text=_("What the issuer calls Stoa."))
    ciphertext = models.TextField(editable=False, default="")
    scopes = models.CharField(
        max_length=200,
        default="openid profile email",
        help_text=_("What is asked for, with spaces in between. Some issuers send groups only if groups is asked for."),
    )
    groups_claim = models.CharField(
        max_length=100,
        default="groups",
        help_text=_("The claim that lists a person's groups. A dot leads into an object."),
    )
    id_claim = models.CharField(
        _("campus ID claim"),
        max_length=100,
        blank=True,
        help_text=_(
            "A claim that the person cannot change, such as a student number. It finds whoever has this campus "
            "ID. Empty: only a verified e-mail address does."
        ),
    )
    second_factor = models.CharField(
        max_length=6, choices=SecondFactor.choices, default=SecondFactor.OWN, help_text=_("Whose second factor counts.")
    )
    signs_in = models.BooleanField(_("used to sign in"), default=True, help_text=_("Show it on the sign-in page."))
    token_audience = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("Accept its tokens in the APIs if they are for this audience. Empty: they are not accepted."),
    )
    allow_private_network = models.BooleanField(
        default=False, help_text=_("Allow addresses inside your own network, and http://.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.title or self.name

    def clean(self) -> None:
        if self.name == "openid_connect":
            raise ValidationError({"name": gettext("This name is reserved.")})
        try:
            check_issuer(self.issuer, allow_private_network=self.allow_private_network)
        except ValueError as error:
            raise ValidationError({"issuer": str(error)}) from error
        if "/.well-known/" in self.issuer:
            raise ValidationError({"issuer": gettext("Leave out /.well-known/openid-configuration; Stoa adds it.")})
        if self.signs_in and not self.client_id:
            raise ValidationError(
                {"client_id": gettext("Is needed to sign in: the issuer shows it where you register Stoa.")}
            )
        if self.signs_in and "openid" not in self.scopes.split():
            raise ValidationError({"scopes": gettext("openid must be among them.")})
        others = Issuer.objects.exclude(pk=self.pk).exclude(id_claim="")
        if self.id_claim and (other := others.first()):
            raise ValidationError(
                {
                    "id_claim": gettext(
                        "{other} finds people by campus ID already. Two issuers might give two people the same."
                    ).format(other=other)
                }
            )

    # Mutators

    def set_secret(self, secret: str) -> None:
        """Encrypt and store the client secret on a saved row. The ciphertext is bound to the row."""
        self.ciphertext = encryption.encrypt(secret, place=self._place, keys=settings.SECRET_KEYS)
        self.save(update_fields=["ciphertext", "changed_at"])

    def forget_secret(self) -> bool:
        """True if there was one. A secret is meant for the server for which it was entered."""
        had = bool(self.ciphertext)
        self.ciphertext = ""
        self.save(update_fields=["ciphertext", "changed_at"])
        return had

    def encrypt_anew(self) -> bool:
        """Encrypt the secret with the newest key. False if it is already. Raises CannotDecrypt."""
        anew = encryption.anew(self.ciphertext, place=self._place, keys=settings.SECRET_KEYS)
        # Nobody else's change is undone: a secret that is entered meanwhile has the newest key too.
        row = Issuer.objects.filter(pk=self.pk, ciphertext=self.ciphertext)
        return anew is not None and bool(row.update(ciphertext=anew))

    # Queries

    def secret(self) -> str:
        """The client secret, empty if there is none: a public client. Raises CannotDecrypt."""
        if not self.ciphertext:
            return ""
        return encryption.decrypt(self.ciphertext, place=self._place, keys=settings.SECRET_KEYS)

    def moved_from(self, issuer: str) -> bool:
        """True if `issuer` is at another server than this one."""
        return urlsplit(issuer)[:2] != urlsplit(self.issuer)[:2]

    @property
    def _place(self) -> str:
        return f"accounts_issuer:ciphertext:{self.pk}"


class GroupGrant(AuditedModel):
    """What everybody in a group of an issuer is given at sign-in: one thing."""

    topic: ClassVar[str] = TOPIC

    issuer = models.ForeignKey(Issuer, on_delete=models.CASCADE, related_name="grants")
    group = models.CharField(max_length=200, help_text=_("Exactly as it stands in the groups claim."))
    course = models.ForeignKey(Course, on_delete=models.CASCADE, null=True, blank=True, related_name="group_grants")
    role = models.CharField(
        max_length=10,
        choices=[(role.value, role.label) for role in (Role.STUDENT, Role.ASSISTANT, Role.INSTRUCTOR)],
        blank=True,
        help_text=_("In the course."),
    )
    department = models.ForeignKey(
        Department,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="group_grants",
        help_text=_("Everybody in the group administers all courses of this department."),
    )
    is_operator = models.BooleanField(
        _("operator"), default=False, help_text=_("Everybody in the group sees and changes everything.")
    )

    objects = AuditedQuerySet.as_manager()

    class Meta:
        ordering = ("issuer", "group")
        constraints = (
            models.CheckConstraint(
                condition=(Q(course__isnull=False, department__isnull=True, is_operator=False) & ~Q(role=""))
                | Q(course__isnull=True, department__isnull=False, is_operator=False, role="")
                | Q(course__isnull=True, department__isnull=True, is_operator=True, role=""),
                name="a_grant_gives_one_thing",
                violation_error_message=_("Give one thing: a course with a role, or a department, or operator."),
            ),
            models.UniqueConstraint(fields=("issuer", "group", "course"), name="one_grant_per_group_and_course"),
            models.UniqueConstraint(
                fields=("issuer", "group", "department"), name="one_grant_per_group_and_department"
            ),
            models.UniqueConstraint(
                fields=("issuer", "group"), condition=Q(is_operator=True), name="one_grant_of_operators_per_group"
            ),
        )

    def __str__(self) -> str:
        return f"{self.group}: {self.gives}"

    @property
    def gives(self) -> str:
        if self.course is not None:
            return f"{self.role} of {self.course.slug}"
        return f"admin of {self.department.slug}" if self.department is not None else "operator"
