"""Every form of the admin writes its own fields and nothing else, whatever is posted beside them."""

from typing import Any

import pytest
from django.db.models import Model

from apps.accounts.models import ApiKey, Course, Membership, StaffKey, User
from apps.quotas.models import QuotaPolicy
from tests.admin.world import COURSE_MODELS, add_page, page_of
from tests.permissions.cast import DEPARTMENT, INSTRUCTOR, Cast

GUESSED = (
    "allowed_models",
    "balance",
    "campus_id",
    "course",
    "course_id",
    "created_at",
    "digest",
    "email",
    "external_id",
    "granted",
    "groups",
    "id",
    "is_active",
    "is_operator",
    "is_staff",
    "is_superuser",
    "issued_by",
    "issued_by_id",
    "last_four",
    "last_login",
    "limit",
    "membership",
    "membership_id",
    "owner",
    "password",
    "pk",
    "prefix",
    "revoked_at",
    "role",
    "state",
    "updated_at",
    "used",
    "user",
    "user_id",
    "user__is_superuser",
    "user_permissions",
    "username",
    "version",
    "weekly_tokens",
)
# Fields that a form has under another name, and stamps.
AUTOMATIC = {"updated_at", "version"}


def forged(model: type[Model], cast: Cast) -> dict[str, Any]:
    """A value for every column of the model, and for every name that somebody might try."""
    columns = [name for field in model._meta.concrete_fields for name in (field.name, field.attname)]
    values: dict[str, Any] = dict.fromkeys((*GUESSED, *columns), "1")
    values |= dict.fromkeys(("course", "course_id"), cast.foreign.course.pk)
    values |= dict.fromkeys(("membership", "membership_id"), cast.foreign.student.pk)
    return values | {"role": "instructor", "state": "granted", "external_id": "mallory", "email": "mallory@example.edu"}


def columns_of(row: Model) -> dict[str, Any]:
    return type(row)._default_manager.filter(pk=row.pk).values().get()


@pytest.mark.parametrize("role", [INSTRUCTOR, DEPARTMENT])
def test_no_form_writes_a_field_that_it_does_not_show(role: str, cast: Cast) -> None:
    """Each is sent back as it was shown, with everything else that one might think of."""
    client, unexpected, saved = cast.client(role), [], set()
    people = list(User.objects.order_by("pk").values())
    for model in COURSE_MODELS:
        row = cast.row(model)
        before, shown = columns_of(row), client.get(page_of(row))
        form = getattr(shown, "context_data", None) and shown.context_data.get("adminform")
        own = set(form.form.fields) if form else set()
        beside = {name: value for name, value in forged(model, cast).items() if name not in own}
        answer = client.post(page_of(row), {**beside, **_as_shown(shown), **_management(shown)})
        after = columns_of(row)
        changed = {name for name in after if after[name] != before[name]}
        changed -= {*own, *AUTOMATIC}
        unexpected += [(model.__name__, name) for name in changed]
        saved |= {model.__name__} if answer.status_code == 302 else set()

    assert unexpected == []
    assert saved == {"ApiKey", "Course", "Membership", "QuotaPolicy", "RoleAllowance", "Rule"}
    assert list(User.objects.order_by("pk").values()) == people


def _as_shown(page: Any) -> dict[str, Any]:
    """The values of the form, as a browser would send them back."""
    form = getattr(page, "context_data", None) and page.context_data.get("adminform")
    if not form:
        return {}
    values = {name: form.form[name].value() for name in form.form.fields}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def _management(page: Any) -> dict[str, Any]:
    """Formsets without a row, since rows of their own are tried elsewhere."""
    formsets = (
        getattr(page, "context_data", {}).get("inline_admin_formsets", []) if hasattr(page, "context_data") else []
    )
    prefixes = [one.formset.prefix for one in formsets]
    return {f"{prefix}-{name}": 0 for prefix in prefixes for name in ("TOTAL_FORMS", "INITIAL_FORMS")}


def test_a_row_is_never_added_to_a_foreign_course(cast: Cast) -> None:
    """Not even with every field that its table has."""
    client, added = cast.client(INSTRUCTOR), []
    for model in COURSE_MODELS:
        before = model._default_manager.count()
        client.post(add_page(model), forged(model, cast))
        added += [model.__name__] if model._default_manager.count() != before else []

    assert added == []


def test_an_inline_does_not_reach_a_row_of_another_course(cast: Cast) -> None:
    """A forged formset on the own course's page, with the keys of foreign rows."""
    client, own, foreign = cast.client(INSTRUCTOR), cast.own, cast.foreign
    page = client.get(page_of(own.course))
    forms = {**_as_shown(page), **_management(page)}
    for prefix, row in (
        ("memberships", foreign.student),
        ("rules", foreign.rule),
        ("quota_policy", _policy(foreign.course)),
    ):
        forms |= {f"{prefix}-TOTAL_FORMS": 1, f"{prefix}-INITIAL_FORMS": 1, f"{prefix}-0-id": row.pk}
        forms |= {f"{prefix}-0-{name}": value for name, value in forged(type(row), cast).items() if name != "id"}
    before = [columns_of(row) for row in (foreign.student, foreign.rule, _policy(foreign.course))]

    client.post(page_of(own.course), forms)

    assert [columns_of(row) for row in (foreign.student, foreign.rule, _policy(foreign.course))] == before


def _policy(course: Course) -> QuotaPolicy:
    return QuotaPolicy.objects.get(course=course)


def test_nobody_makes_themselves_more_than_they_are(cast: Cast) -> None:
    client, me = cast.client(INSTRUCTOR), cast.people[INSTRUCTOR]
    mine = Membership.objects.get(user=me)

    client.post(page_of(mine), {**forged(Membership, cast), "role": "instructor", "is_active": "on"})
    client.post(add_page(StaffKey), {"name": "mine", "user": cast.people["operator"].pk, "prefix": "stoa_sk_"})
    client.post(page_of(me), {"is_superuser": "on", "is_staff": "on"})

    me.refresh_from_db()
    mine.refresh_from_db()
    assert (me.is_superuser, mine.course, mine.user) == (False, cast.own.course, me)
    assert StaffKey.objects.get(name="mine").user == me
    assert StaffKey.objects.get(name="mine").prefix == "stoa_stf_"


def test_a_key_is_never_issued_for_a_member_of_another_course(cast: Cast) -> None:
    client = cast.client(INSTRUCTOR)

    client.post(add_page(ApiKey), {"membership": cast.foreign.student.pk, "name": "sneaky"})

    assert not ApiKey.objects.filter(name="sneaky").exists()
