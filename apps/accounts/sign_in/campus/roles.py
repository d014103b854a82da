"""Gives a person what their groups give, and takes what those no longer do, in the caller's transaction."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext

from apps.accounts.audit import record
from apps.accounts.models import Course, Department, DepartmentAdmin, GivenRole, Issuer, Membership, Role, User
from apps.accounts.sign_in.campus.giving import Given, MemberState, Outcome, seated, switched
from apps.accounts.sign_in.campus.grants import RANKS, GroupRole, Wanted

Kind = GivenRole.Kind
Place = tuple[str, int | None]  # a kind, and the course or department that it is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom roles are given to, by whose groups, and the external ID of memberships that are made."""

    user: User
    issuer: Issuer
    external_id: str


def grants_of(issuer: Issuer) -> list[GroupRole]:
    return [
        GroupRole(
            group=row.group,
            course=row.course_id,
            role=row.role,
            department=row.department_id,
            is_operator=row.is_operator,
        )
        for row in issuer.grants.all()
    ]


def give(person: Person, wanted: Wanted, *, now: datetime) -> list[str]:
    """Make the person's roles what groups and people give. Returns sentences about what was taken or refused."""
    giving = _Giving(person, now)
    told = [*giving.courses(wanted.roles), *giving.departments(wanted.departments), *giving.operator(wanted)]
    giving.staff(wanted)
    return told


def take_back(issuer: Issuer, *, now: datetime) -> int:
    """Take what the issuer's groups gave, from everybody, and forget it. Returns from how many people."""
    count = 0
    for pk in set(GivenRole.objects.filter(issuer=issuer).values_list("user", flat=True)):
        with transaction.atomic():
            user = User.objects.select_for_update().get(pk=pk)
            count += GivenRole.objects.filter(issuer=issuer, user=user, is_held=True).exists()
            give(Person(user=user, issuer=issuer, external_id=""), Wanted(), now=now)
            GivenRole.objects.filter(issuer=issuer, user=user).delete()
    return count


class _Giving:
    """One sign-in: what the person has, what is remembered, and what is written."""

    def __init__(self, person: Person, now: datetime) -> None:
        self._user, self._issuer, self._external_id, self._now = person.user, person.issuer, person.external_id, now
        self._mine: dict[Place, GivenRole] = {}
        self._others: dict[Place, list[Given]] = {}
        self._gives_staff = False
        for row in GivenRole.objects.filter(user=person.user):
            place = (row.kind, row.course_id or row.department_id)
            if row.issuer_id == person.issuer.pk:
                self._mine[place] = row
            else:
                self._others.setdefault(place, []).append(_as_value(row))

    def courses(self, roles: Mapping[int, str]) -> Iterator[str]:
        mine = {pk for kind, pk in self._mine if kind == Kind.COURSE}
        members = {member.course_id: member for member in Membership.objects.filter(user=self._user)}
        for course in Course.objects.filter(pk__in={*roles, *mine}):
            yield from self._course(course, roles.get(course.pk, ""), members.get(course.pk))

    def _course(self, course: Course, role: str, member: Membership | None) -> Iterator[str]:
        if role and member is None and self._is_taken(course):
            yield gettext(
                "{course} has a member with your ID who is another person here. Ask an operator to put it right."
            ).format(course=course)
            role = ""
        place = (Kind.COURSE, course.pk)
        seat = MemberState(role=member.role, is_active=member.is_active) if member is not None else None
        outcome = seated(wanted=role, seat=seat, **self._known(place))
        if outcome.is_blocked:
            yield gettext(
                "Your groups make you {role} of {course}, but you were made inactive there. Ask its instructors."
            ).format(role=role, course=course)
        self._gives_staff |= bool(role) and not outcome.is_blocked and _is_staff(outcome)
        self._remember(place, outcome.mine, course=course)
        if outcome.seat != seat and outcome.seat is not None:
            self._sit(course, member, outcome.seat, before=seat)
            if seat is not None and _is_less(outcome.seat, seat):
                yield gettext("You are no longer {role} of {course}: none of your groups gives it.").format(
                    role=seat.role, course=course
                )

    def _is_taken(self, course: Course) -> bool:
        return Membership.objects.filter(course=course, external_id=self._external_id).exists()

    def _sit(self, course: Course, member: Membership | None, seat: MemberState, *, before: MemberState | None) -> None:
        member = member or Membership(course=course, user=self._user, external_id=self._external_id)
        member.role, member.is_active = seat.role, seat.is_active
        member.save()
        self._note(
            taken=before is not None and _is_less(seat, before),
            course=course,
            before=_shown(before),
            after=_shown(seat),
        )

    def departments(self, wanted: frozenset[int]) -> Iterator[str]:
        mine = {pk for kind, pk in self._mine if kind == Kind.DEPARTMENT}
        administers = set(DepartmentAdmin.objects.filter(user=self._user).values_list("department", flat=True))
        for department in Department.objects.filter(pk__in={*wanted, *mine}):
            is_on, is_wanted = department.pk in administers, department.pk in wanted
            place = (Kind.DEPARTMENT, department.pk)
            now, given = switched(wanted=is_wanted, is_on=is_on, **self._known(place))
            self._gives_staff |= is_wanted
            self._remember(place, given, department=department)
            if now and not is_on:
                DepartmentAdmin.objects.create(department=department, user=self._user)
            elif is_on and not now:
                DepartmentAdmin.objects.filter(department=department, user=self._user).delete()
                yield gettext("You no longer administer {department}: none of your groups gives it.").format(
                    department=department
                )
            if now != is_on:
                self._note(taken=is_on, after={"admin of": department.slug if now else None})

    def operator(self, wanted: Wanted) -> Iterator[str]:
        is_on = self._user.is_superuser
        place = (Kind.OPERATOR, None)
        now, given = switched(wanted=wanted.is_operator, is_on=is_on, **self._known(place))
        self._gives_staff |= wanted.is_operator
        self._remember(place, given)
        if now != is_on:
            self._user.is_superuser = now
            self._user.save(update_fields=["is_superuser"])
            self._note(taken=is_on, before={"operator": is_on}, after={"operator": now})
        if is_on and not now:
            yield gettext("You are no longer an operator: none of your groups gives it.")

    def staff(self, wanted: Wanted) -> None:
        """Last: the flag that opens the admin. It goes with the last role that needs it, unless it was set by hand."""
        if not self._gives_staff and self._needs_staff():
            return
        place = (Kind.STAFF, None)
        now, given = switched(wanted=self._gives_staff, is_on=self._user.is_staff, **self._known(place))
        self._remember(place, given)
        if now != self._user.is_staff:
            self._user.is_staff = now
            self._user.save(update_fields=["is_staff"])

    def _needs_staff(self) -> bool:
        user = self._user
        teaches = Membership.objects.filter(user=user, is_active=True, role__in=Role.staff()).exists()
        return user.is_superuser or teaches or DepartmentAdmin.objects.filter(user=user).exists()

    def _known(self, place: Place) -> dict[str, Any]:
        mine = self._mine.get(place)
        return {"mine": mine and _as_value(mine), "others": self._others.get(place, [])}

    def _remember(self, place: Place, given: Given | None, **where: Any) -> None:
        row = self._mine.get(place)
        if given is None and row is not None:
            row.delete()
        if given is None or (row is not None and _as_value(row) == given):
            return
        row = row or GivenRole(user=self._user, issuer=self._issuer, kind=place[0], **where)
        row.role, row.by_hand, row.is_held, row.changed_at = given.role, given.by_hand, given.is_held, self._now
        row.save()

    def _note(self, *, taken: bool, **values: Any) -> None:
        record(
            "role.taken" if taken else "role.given", subject=self._user, note=f"groups of {self._issuer.name}", **values
        )


def _as_value(row: GivenRole) -> Given:
    return Given(role=row.role, by_hand=row.by_hand, is_held=row.is_held)


def _is_staff(outcome: Outcome) -> bool:
    return outcome.seat is not None and outcome.seat.is_active and outcome.seat.role in Role.staff()


def _is_less(seat: MemberState, before: MemberState) -> bool:
    return before.is_active and (not seat.is_active or RANKS[seat.role] < RANKS[before.role])


def _shown(seat: MemberState | None) -> dict[str, Any] | None:
    return {"role": seat.role, "active": seat.is_active} if seat is not None else None
