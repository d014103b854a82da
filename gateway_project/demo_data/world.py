"""Courses, people, keys, rules, providers and models of the demo data."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import ApiKey, Course, Membership, Role, User
from apps.providers.models import CourseModel, Deployment, Model, Provider
from apps.quotas.models import Boost, QuotaPolicy
from apps.quotas.weights import Weights
from apps.rules.models import Rule
from apps.rules.models.versions import RuleVersion
from apps.rules.ready_rules import LIBRARY
from gateway_project.demo_data import words
from gateway_project.demo_data.plan import SPREAD, Size

MODELS = (("tutor", "1", "4"), ("coder", "0.5", "2"), ("writer", "2", "8"), ("thinker", "5", "20"))
PROVIDERS = ("north", "south", "spare")
ZONES = ("Europe/Helsinki", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC")
STAGES = (Rule.Stage.ENFORCE, Rule.Stage.OBSERVE, Rule.Stage.WARN, Rule.Stage.DRAFT, Rule.Stage.ENFORCE)
BARE = ("no students", "no models", "no allowance")  # what the last courses lack, if there are enough of them
USUAL = 2_500  # weighted tokens of a usual call


@dataclass(slots=True)
class DemoModel:
    name: str
    weights: Weights
    providers: tuple[str, ...]


@dataclass(slots=True)
class DemoCourse:
    """A course with what the traffic needs to know of it."""

    row: Course
    popularity: float = 1.0
    limit: int | None = None
    student_limit: int = 0
    members: list[Membership] = field(default_factory=list)
    keys: dict[int, int] = field(default_factory=dict)  # by membership
    eagerness: list[float] = field(default_factory=list)  # of the members, accumulated
    models: list[DemoModel] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return bool(self.members and self.models and self.student_limit)


def make_world(size: Size, *, now: datetime, chance: random.Random) -> list[DemoCourse]:
    models = _models()
    started = now - timedelta(days=size.days)
    courses = [_course(number, size, chance) for number in range(size.courses)]
    Course.objects.bulk_create(course.row for course in courses)
    lacking = dict(zip(reversed(range(size.courses)), BARE, strict=False)) if size.courses > len(BARE) else {}
    full = [course for number, course in enumerate(courses) if lacking.get(number) != "no students"]
    _people(full, size, chance)
    _staff(courses)
    _keys(full, now=now, chance=chance)
    _allowances([course for n, course in enumerate(courses) if lacking.get(n) != "no allowance"], size)
    for number, course in enumerate(courses):
        if lacking.get(number) != "no models":
            course.models = models[: 1 + number % len(models)]
    _offer(courses)
    for number, course in enumerate(courses):
        course.rules = _rules(course.row, number, started=started, now=now)
    _boosts(courses, now=now)
    _backdate(courses, started)
    return courses


def _course(number: int, size: Size, chance: random.Random) -> DemoCourse:
    zone = ZONES[number % len(ZONES)]
    slug = f"demo-{size.seed}-{number + 1:03}"
    row = Course(slug=slug, title=words.title(number), timezone=zone)
    return DemoCourse(row, popularity=chance.lognormvariate(0, SPREAD))


def _people(courses: Sequence[DemoCourse], size: Size, chance: random.Random) -> None:
    users, members = [], []
    for course in courses:
        for number in range(size.students):
            first, last = words.name(number + 1, chance)
            username = f"{course.row.slug}.{number + 1:04}"
            user = User(username=username, first_name=first, last_name=last, email=f"{username}@example.edu")
            user.set_unusable_password()
            users.append(user)
            member = Membership(course=course.row, user=user, external_id=f"{number + 1:04}")
            members.append(member)
            course.members.append(member)
            course.eagerness.append(chance.lognormvariate(0, SPREAD))
        course.eagerness = list(accumulate(course.eagerness))
    User.objects.bulk_create(users, batch_size=2_000)
    for member in members:
        member.user = member.user  # which has its id now
    Membership.objects.bulk_create(members, batch_size=2_000)


def _staff(courses: Sequence[DemoCourse]) -> None:
    """The demo's instructor teaches the first three courses."""
    tess = User.objects.filter(username="tess").first()
    if tess is not None:
        for course in courses[:3]:
            Membership.objects.create(course=course.row, user=tess, external_id="tess", role=Role.INSTRUCTOR)


def _keys(courses: Sequence[DemoCourse], *, now: datetime, chance: random.Random) -> None:
    """Nearly everybody has a key, and some have never used theirs."""
    members = [member for course in courses for member in course.members if chance.random() < 0.95]
    keys = [
        ApiKey(
            membership=member,
            digest=f"{chance.getrandbits(256):064x}",
            last_four=f"{chance.randrange(10_000):04}",
            last_used_at=now - timedelta(hours=chance.randrange(1, 500)) if chance.random() < 0.9 else None,
        )
        for member in members
    ]
    made = ApiKey.objects.bulk_create(keys, batch_size=2_000)
    ids = {key.membership_id: key.pk for key in made}
    for course in courses:
        course.keys = {member.pk: ids[member.pk] for member in course.members if member.pk in ids}


def _allowances(courses: Sequence[DemoCourse], size: Size) -> None:
    """Enough for most students, and too little for the most eager ones."""
    usual = sum(course.popularity for course in courses) / max(1, len(courses))
    for number, course in enumerate(courses):
        calls = size.weekly_calls_of_a_student * course.popularity / usual
        each = max(20_000, round(4 * USUAL * calls, -3))
        course.student_limit = int(each)
        course.limit = int(each * max(1, size.students) * 0.6) if number % 3 else None
    QuotaPolicy.objects.bulk_create(
        QuotaPolicy(course=course.row, weekly_tokens=course.limit, student_weekly_tokens=course.student_limit)
        for course in courses
    )


def _models() -> list[DemoModel]:
    """Echoes, so that nobody is asked for anything. Each model can be answered by two of three providers."""
    providers = [
        Provider.objects.get_or_create(name=name, defaults={"adapter": Provider.Adapter.ECHO, "base_url": ""})[0]
        for name in PROVIDERS
    ]
    made = []
    for number, (name, input, output) in enumerate(MODELS):
        weights = {"input_weight": input, "cached_input_weight": input, "output_weight": output}
        model, is_new = Model.objects.get_or_create(name=name, defaults=weights)
        two = [providers[number % 2], providers[2]]
        if is_new:
            for priority, provider in enumerate(two):
                Deployment.objects.create(model=model, provider=provider, upstream_model=name, priority=priority)
        weighing = Weights.of(input=Decimal(input), cached_input=Decimal(input), output=Decimal(output))
        made.append(DemoModel(name, weighing, tuple(provider.name for provider in two)))
    return made


def _offer(courses: Iterable[DemoCourse]) -> None:
    rows: Any = {model.name: model for model in Model.objects.filter(name__in=[name for name, _, _ in MODELS])}
    CourseModel.objects.bulk_create(
        CourseModel(course=course.row, model=rows[model.name]) for course in courses for model in course.models
    )


def _rules(course: Course, number: int, *, started: datetime, now: datetime) -> list[Rule]:
    """Some of the ready rules, in all stages."""
    ready = [LIBRARY[(number + 5 * n) % len(LIBRARY)] for n in range(4)]
    made = []
    for place, one in enumerate(dict.fromkeys(ready)):
        rule = Rule.from_library(one, course=course, by=None)
        stage = STAGES[(number + place) % len(STAGES)]
        if stage != rule.stage:
            rule.move(stage)
        made.append(rule)
    RuleVersion.objects.filter(rule__in=made).update(at=max(started, now - timedelta(days=3 + number % 9)))
    return made


def _backdate(courses: Sequence[DemoCourse], started: datetime) -> None:
    """Everybody was there when the term began. No snapshot and no audit entry needs to know."""
    ids = [course.row.pk for course in courses]
    QuerySet(Course).filter(pk__in=ids).update(created_at=started)
    QuerySet(Membership).filter(course__in=ids).update(created_at=started)
    QuerySet(ApiKey).filter(membership__course__in=ids).update(created_at=started)


def _boosts(courses: Sequence[DemoCourse], *, now: datetime) -> None:
    """Every fourth course has a deadline within the week, and twice the allowance until then."""
    Boost.objects.bulk_create(
        Boost(
            course=course.row,
            factor=Decimal(2),
            starts_at=now - timedelta(days=2),
            ends_at=now + timedelta(days=1 + number % 3),
            reason="The deadline of the project.",
            multiplies_course=True,
            created_at=now - timedelta(days=2),
        )
        for number, course in enumerate(courses)
        if number % 4 == 1 and course.student_limit
    )
