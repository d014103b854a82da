"""The members in a file and the people behind them, who are found by e-mail address.

Unlike other rows, a person may be a member of several courses, staff need the staff flag, and nobody is ever deleted.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from apps.accounts.models import Membership, Role, User
from gateway_project.apply import kinds
from gateway_project.apply.document import Document
from gateway_project.apply.mistakes import Mistake, Path
from gateway_project.apply.schema import File, MemberSection
from gateway_project.apply.wanted import Row, given

Place = tuple[str, str]  # course slug, external id
LONGEST_USERNAME = 150


@dataclass(frozen=True)
class Stored:
    """The users and members before the file is applied."""

    users: Mapping[str, User]
    by_email: Mapping[str, list[User]]
    members: Mapping[Place, Membership]

    @classmethod
    def load(cls) -> "Stored":
        users = {user.username: user for user in User.objects.all()}
        by_email: dict[str, list[User]] = defaultdict(list)
        for user in users.values():
            by_email[user.email.lower()].append(user)
        members = Membership.objects.select_related("course", "user")
        return cls(users, by_email, {(member.course.slug, member.external_id): member for member in members})


@dataclass(frozen=True)
class Seat:
    """One member as the file describes it, and the user name of the person."""

    place: Place
    asked: MemberSection
    path: Path
    username: str
    stored: Membership | None

    @property
    def is_staff(self) -> bool:
        """True if this seat makes its person staff once the file is applied."""
        role = self.asked.role or (self.stored.role if self.stored else Role.STUDENT)
        is_given = "active" in self.asked.model_fields_set
        active = self.asked.active if is_given else self.stored is None or self.stored.is_active
        return active and role in Role.staff()


def rows(document: Document, file: File, *, prune: bool) -> tuple[list[Row], list[Mistake]]:
    """The rows of people, then those of members, and the mistakes in them."""
    listing = [course for course in file.courses or () if course.members is not None]
    if not listing:
        return [], []
    stored = Stored.load()
    seats = list(_seats(file, stored))
    absent = list(_absent(file, seats, stored)) if prune else []
    mistakes = [*_unclear(document, seats, stored), *_clashing(document, seats, stored), *_renamed(document, seats)]
    wanted = [*_people(seats, absent, stored), *map(_member, seats), *absent]
    return [row for row in wanted if _differs(row, stored)], mistakes


def _differs(row: Row, stored: Stored) -> bool:
    """False for rows that are stored as the file wants them: most of a roster, most of the time."""
    found: models.Model | None
    if row.kind is kinds.PERSON:
        found = stored.users.get(row.key["username"])
    else:
        found = stored.members.get((row.key["course__slug"], row.key["external_id"]))
    return found is None or any(kinds.stored_value(found, name) != value for name, value in row.values.items())


def _seats(file: File, stored: Stored) -> Iterator[Seat]:
    for number, course in enumerate(file.courses or ()):
        for position, asked in enumerate(course.members or ()):
            place = (course.slug, asked.external_id)
            member = stored.members.get(place)
            path = ("courses", number, "members", position)
            yield Seat(place, asked, path, _username(place, asked, member, stored), member)


def _username(place: Place, asked: MemberSection, member: Membership | None, stored: Stored) -> str:
    """Without an e-mail address, the seat's current or placeholder user.

    With one, the user who has it, else the placeholder if that has none yet, else a new user.
    """
    unnamed = User.placeholder_name(*place)
    if not asked.email:
        return member.user.username if member else unnamed
    email = asked.email.lower()
    matches = [user.username for user in stored.by_email.get(email, ())]
    if member and member.user.username in matches:
        return member.user.username
    if matches or email in stored.users:
        return matches[0] if matches else email
    return unnamed if unnamed in stored.users and not stored.users[unnamed].email else email


def _member(seat: Seat) -> Row:
    values = {"user__username": seat.username, **given(kinds.MEMBER, seat.asked)}
    return Row(kinds.MEMBER, _key(seat.place), values, seat.path)


def _key(place: Place) -> dict[str, str]:
    return {"course__slug": place[0], "external_id": place[1]}


def _absent(file: File, seats: Iterable[Seat], stored: Stored) -> Iterator[Row]:
    """Active members that a list omits."""
    listed = {course.slug: number for number, course in enumerate(file.courses or ()) if course.members is not None}
    present = {seat.place for seat in seats}
    for place, member in stored.members.items():
        if place[0] in listed and place not in present and member.is_active:
            yield Row(kinds.MEMBER, _key(place), {"is_active": False}, ("courses", listed[place[0]], "members"))


def _people(seats: list[Seat], absent: list[Row], stored: Stored) -> Iterator[Row]:
    asked: dict[str, dict[str, Any]] = {}
    paths: dict[str, Path] = {}
    for seat in seats:
        paths.setdefault(seat.username, seat.path)
        asked.setdefault(seat.username, {}).update(_personal(seat, stored.users.get(seat.username)))
    for username, flag in _staff_flags(seats, absent, stored):
        asked.setdefault(username, {})["is_staff"] = flag
    for username, values in asked.items():
        yield Row(kinds.PERSON, {"username": username}, values, paths.get(username, ("courses",)))


def _personal(seat: Seat, user: User | None) -> dict[str, Any]:
    """Name and e-mail address, where they differ from what is stored."""
    values = {}
    if seat.asked.email and (user is None or user.email.lower() != seat.asked.email.lower()):
        values["email"] = seat.asked.email
    if seat.asked.name and (user is None or user.get_full_name() != seat.asked.name):
        values["first_name"], _, values["last_name"] = seat.asked.name.partition(" ")
    return values


def _staff_flags(seats: list[Seat], absent: list[Row], stored: Stored) -> Iterator[tuple[str, bool]]:
    """Users who become staff by a seat, and users who lose their last staff seat."""
    before = {
        place: member.user.username
        for place, member in stored.members.items()
        if member.is_active and member.role in Role.staff()
    }
    moved = {seat.place for seat in seats} | {(row.key["course__slug"], row.key["external_id"]) for row in absent}
    appointed = {seat.username for seat in seats if seat.is_staff}
    remaining = {username for place, username in before.items() if place not in moved}
    yield from ((username, True) for username in sorted(appointed))
    for username in sorted(set(before.values()) - appointed - remaining):
        if not stored.users[username].is_superuser:
            yield username, False


def _unclear(document: Document, seats: list[Seat], stored: Stored) -> Iterator[Mistake]:
    """Members whose e-mail address matches several people, or whose user name would be too long."""
    for seat in seats:
        matches = stored.by_email.get(seat.asked.email.lower(), []) if seat.asked.email else []
        settled = seat.stored is not None and seat.stored.user.username == seat.username
        if len(matches) > 1 and not settled:
            names = ", ".join(sorted(user.username for user in matches))
            yield document.mistake((*seat.path, "email"), f"belongs to several people: {names}.")
        if len(seat.username) > LONGEST_USERNAME:
            yield document.mistake(seat.path, f"makes a user name of more than {LONGEST_USERNAME} characters.")


def _clashing(document: Document, seats: list[Seat], stored: Stored) -> Iterator[Mistake]:
    """Two members of one course that would be the same person."""
    taken = {(slug, member.user.username): external_id for (slug, external_id), member in stored.members.items()}
    for seat in seats:
        slug, external_id = seat.place
        other = taken.setdefault((slug, seat.username), external_id)
        if other != external_id:
            yield document.mistake((*seat.path, "email"), f"belongs to member {other} of this course already.")


def _renamed(document: Document, seats: list[Seat]) -> Iterator[Mistake]:
    """People to whom the file gives two different names."""
    names: dict[str, Seat] = {}
    for seat in seats:
        first = names.setdefault(seat.username, seat) if seat.asked.name else seat
        if first.asked.name != seat.asked.name:
            line = document.line((*first.path, "name"))
            yield document.mistake((*seat.path, "name"), f"differs from the same person's name on line {line}.")
