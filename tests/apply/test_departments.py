"""Departments in a file, and the courses that belong to them."""

import pytest

from apps.accounts.models import Course, Department
from tests.apply.conftest import Operator

FILE = """
departments:
  - {slug: physics, title: Physics}
courses:
  - {slug: optics, title: Optics, department: physics}
"""


def test_a_course_belongs_to_a_department_of_the_same_file(operator: Operator) -> None:
    shown = operator.apply(FILE)

    assert "+ department physics" in shown
    assert Course.objects.get(slug="optics").department == Department.objects.get(slug="physics")
    assert operator.apply(FILE) == ["= nothing to change"]


def test_a_course_leaves_its_department_for_null_and_for_nothing_else(operator: Operator) -> None:
    operator.apply(FILE)
    operator.apply("courses:\n  - {slug: optics, title: Light}")
    kept = Course.objects.get(slug="optics").department
    shown = operator.apply("courses:\n  - {slug: optics, department: null}")

    assert kept is not None
    assert shown[0].startswith("~ course optics: department physics ->")
    assert Course.objects.get(slug="optics").department is None


def test_pruning_removes_a_department_and_no_course(operator: Operator) -> None:
    operator.apply(FILE)

    operator.apply("departments: []", prune=True)

    assert not Department.objects.exists()
    assert Course.objects.filter(slug="optics").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("courses:\n  - {slug: optics, department: physic}", "there is no department “physic”"),
        (FILE.replace("Physics}", "Physics, head: ada}"), "is not a known field"),
        (FILE.replace("courses:", "  - {slug: physics}\ncourses:"), "is already given"),
    ],
)
def test_a_mistake_is_named(text: str, said: str, operator: Operator) -> None:
    assert any(said in line for line in operator.refused(text))


def test_a_misspelt_department_gets_a_hint(operator: Operator) -> None:
    operator.apply(FILE)

    assert "did you mean physics?" in " ".join(operator.refused("courses:\n  - {slug: optics, department: physic}"))
