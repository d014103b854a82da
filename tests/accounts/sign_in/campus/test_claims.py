"""What an issuer says of a person, in shapes that nobody expects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.sign_in.campus.claims import Groups, asked_for_second_factor, found, groups, read
from apps.accounts.sign_in.campus.id_tokens import joined

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("email", "email_verified", "groups", "amr", "acr", "preferred_username", "given_name", "id", "_claim_names")


@given(claims=st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON)))
def test_no_shape_is_an_error(claims: dict[str, Any]) -> None:
    person = read({"sub": "x", **claims}, groups_claim="groups", id_claim="id")

    assert bool(person.email) <= (claims.get("email_verified") in (True, "true"))
    assert not (person.groups.names and person.groups.problem)


@pytest.mark.parametrize("verified", [True, "true"])
def test_a_verified_address_counts(verified: object) -> None:
    person = read({"sub": "x", "email": "a@b.c", "email_verified": verified}, groups_claim="groups", id_claim="")

    assert (person.email, person.unverified_email) == ("a@b.c", "")


VERIFIED = {"email": "a@b.c", "email_verified": True}


@pytest.mark.parametrize(
    ("claims", "userinfo", "is_verified"),
    [
        (VERIFIED, {}, True),
        ({}, VERIFIED, True),
        ({"email": "a@b.c"}, VERIFIED, True),
        ({"email": "victim@b.c"}, VERIFIED, None),
        ({"email_verified": True}, {"email": "victim@b.c"}, None),
        ({"email": "a@b.c", "email_verified": False}, VERIFIED, False),
    ],
)
def test_only_the_address_that_was_verified_counts(claims: Any, userinfo: Any, is_verified: bool | None) -> None:
    both = joined({"sub": "x", **claims}, {"sub": "x", **userinfo})

    assert both["email_verified"] is is_verified


@pytest.mark.parametrize("verified", [None, False, 1, "yes", "True ", ["true"], {}, "false"])
def test_only_true_is_verified(verified: object) -> None:
    person = read({"sub": "x", "email": "a@b.c", "email_verified": verified}, groups_claim="groups", id_claim="")

    assert (person.email, person.unverified_email) == ("", "a@b.c")


@pytest.mark.parametrize(
    "value",
    [{"admin": True}, 7, True, ["a", 7], [["a"]], [None], ["x"] * 2001, ["y" * 201]],
    ids=lambda value: str(value)[:15],
)
def test_groups_of_the_wrong_type_are_unknown(value: object) -> None:
    read_groups = groups({"groups": value}, "groups")

    assert not read_groups.names
    assert read_groups.problem.startswith("The claim groups is")


@pytest.mark.parametrize(
    ("value", "names"), [([], set()), (["a", "a", "b"], {"a", "b"}), ("staff", {"staff"}), ("a, b", {"a, b"})]
)
def test_a_list_and_a_single_name_are_groups(value: object, names: set[str]) -> None:
    assert groups({"groups": value}, "groups") == Groups(names=frozenset(names))


def test_groups_that_are_not_sent_are_unknown() -> None:
    assert groups({}, "groups").problem == "The issuer sent no claim groups."
    assert "more groups than" in groups({"_claim_names": {"groups": "src1"}}, "groups").problem


CLAIMS = {"https://x.edu/roles": ["a"], "realm_access": {"roles": ["b"]}, "a.b": 1, "a": {"b": 2}}


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("https://x.edu/roles", ["a"]),
        ("realm_access.roles", ["b"]),
        ("a.b", 1),
        ("realm_access.roles.x", None),
        ("none", None),
        ("", None),
    ],
)
def test_a_dot_leads_into_an_object_unless_it_is_part_of_the_name(claim: str, value: object) -> None:
    assert found(CLAIMS, claim) == value


@pytest.mark.parametrize(
    ("value", "campus_id"),
    [
        ("0042", "0042"),
        (42, "42"),
        (True, ""),
        (4.2, ""),
        (["0042"], ""),
        (" 0042", ""),
        ("00\n42", ""),
        ("x" * 101, ""),
        ("", ""),
    ],
    ids=str,
)
def test_a_campus_id_is_a_text_of_one_line(value: object, campus_id: str) -> None:
    assert read({"sub": "x", "id": value}, groups_claim="groups", id_claim="id").campus_id == campus_id


@pytest.mark.parametrize(
    ("claims", "asked"),
    [
        ({"amr": ["pwd", "mfa"]}, True),
        ({"acr": "https://refeds.org/profile/mfa"}, True),
        ({"amr": ["pwd", "otp"]}, False),
        ({"amr": "mfa"}, False),
        ({"acr": "1"}, False),
        ({}, False),
    ],
)
def test_the_issuer_says_whether_it_asked_for_a_second_factor(claims: dict[str, Any], asked: bool) -> None:
    assert asked_for_second_factor(claims) is asked
