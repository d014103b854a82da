"""One world with a row of everything in two courses, and somebody in every role."""

import re
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.template.response import TemplateResponse
from django.test import Client

from apps.accounts import permissions
from apps.accounts.models import Department, DepartmentAdmin, Membership, Role, StaffKey, User
from apps.accounts.permissions import Position, Verb
from apps.common.models import Job
from gateway_project.site import load_pages
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.test_pages import make_operator_rows
from tests.admin.world import CourseWorld, make_world

OWN, FOREIGN = "own", "foreign"
COURSES = (OWN, FOREIGN)

# A stranger is instructor of the other course, as the last department is the other one's. Idle staff have no course.
ANONYMOUS, STUDENT, DROPPED, SERVICE = "anonymous", "student", "dropped student", "service account"
IDLE, STRANGER, OTHER_DEPARTMENT = "idle staff", "stranger", "other department's admin"
ASSISTANT, INSTRUCTOR, DEPARTMENT, OPERATOR = "assistant", "instructor", "department admin", "operator"
STAFF_KEY = "staff key of the instructor"

OUTSIDERS = (ANONYMOUS, STUDENT, DROPPED, SERVICE, STAFF_KEY)  # the admin asks them to sign in
STAFF = (IDLE, STRANGER, OTHER_DEPARTMENT, ASSISTANT, INSTRUCTOR, DEPARTMENT, OPERATOR)
ROLES = (*OUTSIDERS, *STAFF)

POSITIONS: dict[tuple[str, str], Position] = {
    (ASSISTANT, OWN): Position.ASSISTANT,
    (INSTRUCTOR, OWN): Position.INSTRUCTOR,
    (DEPARTMENT, OWN): Position.DEPARTMENT_ADMIN,
    (STRANGER, FOREIGN): Position.INSTRUCTOR,
    (OTHER_DEPARTMENT, FOREIGN): Position.DEPARTMENT_ADMIN,
    (OPERATOR, OWN): Position.OPERATOR,
    (OPERATOR, FOREIGN): Position.OPERATOR,
}


def may(role: str, verb: Verb, thing: str, *, where: str) -> bool:
    """What permissions.py says of a row in one of the two courses."""
    position = POSITIONS.get((role, where))
    return position is not None and permissions.allows(position, verb, thing)


def may_anywhere(role: str, verb: Verb, thing: str) -> bool:
    return any(may(role, verb, thing, where=where) for where in COURSES)


class Blank:
    """Middleware that renders no template: who may see a page does not depend on what it looks like."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_template_response(self, request: Any, response: Any) -> Any:
        if isinstance(response, TemplateResponse):
            response.content = b""
        return response


@dataclass(frozen=True)
class Cast:
    own: CourseWorld
    foreign: CourseWorld
    people: dict[str, User]
    staff_key: str
    jobs: dict[str, Job]

    @classmethod
    def make(cls) -> "Cast":
        own, foreign = make_world(), make_world()
        make_operator_rows(own)
        people = {
            STUDENT: own.student.user,
            DROPPED: factories.make_student(course=own.course, is_active=False).user,
            SERVICE: Membership.enrol(course=own.course, external_id="program", role=Role.SERVICE).user,
            IDLE: factories.make_user(is_staff=True),
            STRANGER: factories.make_instructor(course=foreign.course).user,
            ASSISTANT: factories.make_assistant(course=own.course).user,
            INSTRUCTOR: factories.make_instructor(course=own.course).user,
            DEPARTMENT: _admin_of(own),
            OTHER_DEPARTMENT: _admin_of(foreign),
            OPERATOR: factories.make_operator(),
        }
        StaffKey.objects.all().delete()
        _, key = StaffKey.issue(user=people[INSTRUCTOR])
        at = own.call.started_at
        jobs = {
            where: Job.objects.create(kind="walk", title="A walk", created_at=at, course=world.course.pk)
            for where, world in ((OWN, own), (FOREIGN, foreign))
        }
        return cls(own, foreign, people, key, jobs)

    def world(self, where: str) -> CourseWorld:
        return self.own if where == OWN else self.foreign

    def client(self, role: str) -> Client:
        if role == STAFF_KEY:
            return Client(headers={"authorization": f"Bearer {self.staff_key}"})
        return sign_in(self.people[role]) if role in self.people else Client()

    def row(self, model: type[Model], where: str = OWN) -> Model:
        """The row of a course, or any row of a model that has none in the other one."""
        try:
            return self.world(where).row(model)
        except KeyError:
            row = model._default_manager.order_by("pk").first()
            assert row is not None, f"{model.__name__} needs a row in the world of this test"
            return row


def _admin_of(world: CourseWorld) -> User:
    department = Department.objects.create(slug=factories.unique("department"), title="A department")
    world.course.department = department
    world.course.save()
    admin_of_it: User = factories.make_user(is_staff=True)
    DepartmentAdmin.objects.create(department=department, user=admin_of_it)
    return admin_of_it


def pages() -> dict[type[Model], Any]:
    load_pages()  # some are registered with the pages of the project, which the first request loads
    return dict(admin.site._registry)


# The token of a form, and messages about what was done before.
_VARIES = re.compile(
    rb'name="csrfmiddlewaretoken" value="[^"]*"|<ul class="flex flex-col gap-4 mb-6">.*?</ul>', re.DOTALL
)


def told(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """What an answer tells, but for what differs in any two."""
    differing = answer.headers.get("x-request-id", "").encode()
    content = _VARIES.sub(b" ", answer.content.replace(differing, b"") if differing else answer.content)
    varies = ("x-request-id", "content-security-policy", "content-length")
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in varies}
    return answer.status_code, b" ".join(content.split()), headers
