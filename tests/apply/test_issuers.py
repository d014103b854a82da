"""Issuers and what their groups give, in files."""

from pathlib import Path

import pytest
from django.utils import timezone

from apps.accounts.models import Department, GivenRole, GroupGrant, Issuer
from tests import factories
from tests.apply.conftest import Operator

COURSES = "courses: [{slug: cs101, title: C}, {slug: cs102, title: D}]\n"
FILE = (
    COURSES
    + """
issuers:
  - name: campus
    title: Example University
    issuer: https://idp.example.edu/realms/campus
    client_id: stoa
    secret_env: CAMPUS_SECRET
    id_claim: eduperson_id
    second_factor: claim
    operators: [stoa-admins]
    department_admins: [{group: physics-office, department: physics}]
    grants:
      - {group: cs101-staff, course: cs101, role: instructor}
      - {group: tutors, course: cs102, role: assistant}
"""
)


@pytest.fixture
def campus(operator: Operator) -> Operator:
    Department.objects.create(slug="physics", title="Physics")
    operator.environment["CAMPUS_SECRET"] = "one-secret"
    operator.apply(FILE)
    return operator


def test_an_issuer_arrives_with_its_secret_and_grants(campus: Operator) -> None:
    issuer = Issuer.objects.get(name="campus")

    assert (issuer.client_id, issuer.id_claim, issuer.groups_claim) == ("stoa", "eduperson_id", "groups")
    assert issuer.secret() == "one-secret"
    assert "one-secret" not in issuer.ciphertext
    assert [str(grant) for grant in issuer.grants.all()] == [
        "cs101-staff: instructor of cs101",
        "physics-office: admin of physics",
        "stoa-admins: operator",
        "tutors: assistant of cs102",
    ]


def test_the_example_on_the_page_of_sign_in_applies(campus: Operator) -> None:
    page = Path("docs/sign-in.md").read_text()

    shown = campus.apply(page.partition("```yaml")[2].partition("```")[0])

    assert "+ grant of issuer campus: stoa-operators are operators" in shown


def test_the_same_file_changes_nothing(campus: Operator) -> None:
    assert campus.apply(FILE) == ["= nothing to change"]


def test_a_new_secret_is_stored_and_not_shown(campus: Operator) -> None:
    campus.environment["CAMPUS_SECRET"] = "another-secret"

    assert campus.apply(FILE) == ["~ issuer campus: secret changed"]
    assert Issuer.objects.get().secret() == "another-secret"


def test_a_secret_does_not_follow_to_another_server(campus: Operator) -> None:
    campus.apply("issuers: [{name: campus, issuer: https://evil.example}]")

    assert Issuer.objects.get().secret() == ""


def test_a_secret_that_the_file_gives_for_the_new_server_stays(campus: Operator) -> None:
    campus.apply(FILE.replace("idp.example.edu", "idp2.example.edu"))

    assert Issuer.objects.get().secret() == "one-secret"


def test_what_the_file_leaves_out_is_pruned(campus: Operator) -> None:
    shown = campus.apply(
        COURSES + "issuers: [{name: campus, operators: [], department_admins: [], "
        "grants: [{group: tutors, course: cs102, role: assistant}]}]",
        prune=True,
    )

    assert shown == [
        "- grant of issuer campus: stoa-admins are operators",
        "- grant of issuer campus: physics-office administer department physics",
        "- grant of issuer campus: cs101-staff in course cs101",
    ]
    assert [grant.group for grant in GroupGrant.objects.all()] == ["tutors"]


def test_an_issuer_whose_groups_gave_roles_is_not_pruned(campus: Operator) -> None:
    held = {"issuer": Issuer.objects.get(), "user": factories.make_user(), "kind": "operator"}
    GivenRole.objects.create(**held, changed_at=timezone.now())

    [told] = campus.refused(COURSES + "issuers: []", prune=True)

    assert "issuers: the groups of campus gave people roles. Take them back" in told


def test_an_issuer_that_gave_nothing_is_pruned(campus: Operator) -> None:
    assert campus.apply(COURSES + "issuers: []", prune=True)[-1] == "- issuer campus"
    assert not Issuer.objects.exists()


def test_a_changed_role_is_one_line(campus: Operator) -> None:
    shown = campus.apply(FILE.replace("role: assistant", "role: student"))

    assert shown == ["~ grant of issuer campus: tutors in course cs102: role assistant -> student"]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("course: cs102", "course: cs103", "issuers[0].grants[1].course: there is no course “cs103”; did you mean"),
        ("department: physics", "department: physix", "there is no department “physix”; did you mean physics?"),
        ("https://idp", "http://idp", "issuers[0].issuer: The address must start with https://."),
        ("realms/campus", "x/.well-known/openid-configuration", "issuers[0].issuer: Leave out /.well-known/"),
        ("client_id: stoa", 'client_id: ""', "issuers[0].client_id: Is needed to sign in"),
        ("role: assistant", "role: king", "issuers[0].grants[1].role: must be one of: student, assistant, instructor"),
        ("group: tutors, course: cs102", "group: cs101-staff, course: cs101", "is already given on line"),
        ("[stoa-admins]", "[stoa-admins, stoa-admins]", "“stoa-admins” is already given on line"),
        ("CAMPUS_SECRET", "OTHER_SECRET", "issuers[0].secret_env: the environment variable OTHER_SECRET is not set."),
    ],
)
def test_mistakes_are_told(campus: Operator, old: str, new: str, mistake: str) -> None:
    [told] = campus.refused(FILE.replace(old, new))

    assert mistake in told
