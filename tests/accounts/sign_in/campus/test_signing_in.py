"""Through the campus into the admin, with a real provider: who gets in, and as whom."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import AuditEntry, Course, User
from tests import factories
from tests.accounts.sign_in.campus.conftest import Campus, refusal, user_of


def test_a_verified_address_finds_its_person(campus: Campus, ada: User) -> None:
    campus.says("ada")
    client = Client()

    answer = campus.sign_in(client, path="/sign-in/campus/campus/?next=/admin/rules/rule/")

    assert answer.headers["location"] == "/admin/rules/rule/"
    assert user_of(client) == ada


def test_a_campus_id_finds_its_person_without_any_address(campus: Campus) -> None:
    ada = factories.make_user(campus_id="0042", is_staff=True)
    campus.says("ada", student_id="0042", email=None, email_verified=False)
    client = Client()

    campus.sign_in(client)

    assert user_of(client) == ada


def test_who_is_linked_is_found_whatever_the_address_is_by_now(campus: Campus, ada: User) -> None:
    campus.says("ada")
    campus.sign_in(Client())
    campus.says("ada", email="married@example.edu", email_verified=False)
    client = Client()

    campus.sign_in(client)

    assert user_of(client) == ada


def test_an_address_that_is_not_verified_finds_nobody(campus: Campus, ada: User) -> None:
    campus.says("mallory", email="ada@example.edu", email_verified=False)
    client = Client()

    assert "does not say that your e-mail address is verified" in refusal(campus.sign_in(client, "mallory"))
    assert user_of(client) is None


def test_an_address_that_is_given_to_the_next_person_does_not_give_them_the_account(campus: Campus, ada: User) -> None:
    campus.says("ada")
    campus.sign_in(Client())
    campus.says("newcomer", email="ada@example.edu")

    assert "signs in with another account of Example University" in refusal(campus.sign_in(Client(), "newcomer"))


def test_an_address_of_two_people_finds_neither(campus: Campus, ada: User) -> None:
    factories.make_user(email="ada@example.edu", is_staff=True)
    campus.says("ada")

    assert "Several people here have the address" in refusal(campus.sign_in(Client()))


def test_an_id_and_an_address_of_two_people_find_neither(campus: Campus, ada: User) -> None:
    factories.make_user(campus_id="0042", is_staff=True)
    campus.says("ada", student_id="0042")

    assert "belong to two people here" in refusal(campus.sign_in(Client()))


def test_who_was_deactivated_stays_out(campus: Campus, ada: User) -> None:
    ada.is_active = False
    ada.save()
    campus.says("ada")

    assert "deactivated" in refusal(campus.sign_in(Client()))


def test_an_unknown_person_without_groups_gets_no_account(campus: Campus) -> None:
    campus.grant("admins", is_operator=True)
    campus.says("stranger", groups=["everybody"])

    assert "none of your groups gives you anything" in refusal(campus.sign_in(Client(), "stranger"))
    assert not User.objects.filter(email="stranger@example.edu").exists()


def test_no_external_id_of_a_roster_finds_anybody(campus: Campus, ada: User) -> None:
    """Instructors write them, and could make anybody anybody."""
    factories.make_student(user=ada, external_id="0042")
    campus.says("mallory", student_id="0042")

    refusal(campus.sign_in(Client(), "mallory"))


def test_nothing_that_the_campus_says_is_kept_but_the_subject(campus: Campus, ada: User) -> None:
    campus.says("ada", student_id="0042", address={"street": "secret lane"})
    campus.sign_in(Client())

    account = ada.socialaccount_set.get()
    assert (account.provider, account.uid, account.extra_data) == (campus.issuer.issuer, "sub-ada", {})


@pytest.mark.parametrize(
    ("trusted", "amr", "counts"),
    [
        ("own", ["mfa"], False),
        ("claim", ["mfa"], True),
        ("claim", ["pwd"], False),
        ("claim", None, False),
        ("always", None, True),
    ],
)
def test_the_second_factor_of_the_campus_counts_where_it_is_trusted(
    campus: Campus, ada: User, trusted: str, amr: object, counts: bool, settings: Any
) -> None:
    settings.SECOND_FACTOR = "staff"
    campus.issuer.second_factor = trusted
    campus.issuer.save()
    campus.says("ada", amr=amr)
    client = Client()

    campus.sign_in(client)

    ways = [record["method"] for record in client.session["account_authentication_methods"]]
    assert ways == [*(["mfa"] if counts else []), "socialaccount"]
    assert client.get("/admin/").status_code == (200 if counts else 302)


def test_it_counts_too_for_somebody_who_was_signed_in_already(campus: Campus, ada: User, settings: Any) -> None:
    settings.SECOND_FACTOR = "staff"
    campus.issuer.second_factor = "always"
    campus.issuer.save()
    campus.says("ada")
    client = Client()
    campus.sign_in(client)

    campus.sign_in(client)

    assert client.get("/admin/").status_code == 200


def test_an_operator_sees_and_cuts_the_link(campus: Campus, course: Course) -> None:
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    hers, operators = Client(), Client()
    campus.sign_in(hers)
    ada = user_of(hers)
    assert ada is not None
    operators.force_login(factories.make_operator())

    page = operators.get(f"/admin/accounts/user/{ada.pk}/change/").content.decode()
    assert f"{campus.issuer.issuer} · sub-ada" in page and f"instructor of {course.slug} · Example University" in page
    operators.post("/admin/accounts/user/", {"action": "unlink", "_selected_action": [ada.pk]})

    assert not ada.socialaccount_set.exists()
    assert AuditEntry.objects.filter(action="sign_in.unlinked", object_id=str(ada.pk)).count() == 1
    assert hers.get("/admin/").status_code == 302
    ada.refresh_from_db()
    assert ada.tokens_not_before is not None
