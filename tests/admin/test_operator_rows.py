"""Staff of courses do not learn which rows of the operators' there are: a row and none have the same answer."""

import pytest
from django.db.models import Model
from django.test import Client

from apps.accounts.models import AuditEntry
from apps.providers.models import Credential, Deployment, Provider
from tests.admin.test_pages import make_operator_rows
from tests.admin.world import OPERATOR_MODELS, CourseWorld, list_of, page_of
from tests.permissions.cast import told

MISSING = 987_654
PAGES = ("change", "delete", "history")
ACTIONS = {
    "/admin/providers/provider/{}/check/": Provider,
    "/admin/providers/provider/credentials/{}/put-back/": Credential,
    "/admin/providers/deployment/{}/force/": Deployment,
}


@pytest.mark.parametrize("model", [model for model in OPERATOR_MODELS if model is not AuditEntry])
def test_a_row_and_none_have_the_same_answer(model: type[Model], instructor: Client, world: CourseWorld) -> None:
    make_operator_rows(world)
    row = model._default_manager.order_by("-pk").first()
    assert row is not None
    here = [page_of(row, page) for page in PAGES]
    nowhere = [address.replace(f"/{row.pk}/", f"/{MISSING}/") for address in here]

    for there, missing in zip(here, nowhere, strict=True):
        for ask in (instructor.get, instructor.post):
            assert told(ask(there)) == told(ask(missing))
            assert ask(there).status_code == 404, there


@pytest.mark.parametrize(("address", "model"), ACTIONS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_operators_do_to_a_row_is_refused_alike(
    address: str, model: type[Model], instructor: Client, world: CourseWorld
) -> None:
    make_operator_rows(world)
    row = model._default_manager.first()
    assert row is not None

    there, missing = (told(instructor.post(address.format(pk))) for pk in (row.pk, MISSING))

    assert there == missing
    assert there[0] in (403, 404)


@pytest.mark.parametrize("model", [model for model in OPERATOR_MODELS if model is not AuditEntry])
def test_actions_and_completion_reach_none(model: type[Model], instructor: Client, world: CourseWorld) -> None:
    make_operator_rows(world)
    row = model._default_manager.first()
    assert row is not None
    meta = model._meta
    query = {"app_label": meta.app_label, "model_name": meta.model_name, "field_name": "id", "term": ""}

    acted = [
        told(instructor.post(list_of(model), {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}))
        for pk in (row.pk, MISSING)
    ]

    assert acted[0] == acted[1]
    assert instructor.get("/admin/autocomplete/", query).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()
