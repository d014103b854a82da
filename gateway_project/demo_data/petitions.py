"""Requests for more and appeals, some decided and some open, and what staff did about allowances."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.conversations.models import Appeal
from apps.quotas.models import AllowanceRequest
from gateway_project.demo_data import words
from gateway_project.demo_data.books import DemoBooks
from gateway_project.demo_data.traffic import DemoCall

ASKING, APPEALING, CORRECTING = 0.3, 0.05, 0.0002  # of students locked out a week, of refusals, of calls
RECENT = timedelta(days=3)  # what is younger may still be open


@dataclass(slots=True)
class Petitions:
    books: DemoBooks
    chance: random.Random
    now: datetime
    requests: list[AllowanceRequest] = field(default_factory=list)
    appeals: list[Appeal] = field(default_factory=list)
    asked: set[tuple[int, datetime]] = field(default_factory=set)

    def add(self, call: DemoCall) -> None:
        row = call.record.call
        if row.status == "out_of_quota":
            self._ask(row.course_id, row.membership_id, row.started_at)
        elif row.status == "blocked" and self.chance.random() < APPEALING:
            self._appeal(call)
        elif row.charged > 100 and self.chance.random() < CORRECTING:
            week = self.books.student(row.course_id, row.membership_id, row.started_at)
            self.books.staff(week, f"correct-{row.id}", used=-50, reason="The answer was cut off.", at=row.started_at)

    def _is_open(self, at: datetime) -> bool:
        return at > self.now - RECENT and self.chance.random() < 0.5

    def _ask(self, course_id: int, member_id: int, at: datetime) -> None:
        week = self.books.student(course_id, member_id, at)
        key = member_id, week.week.starts_at
        if key in self.asked:
            return
        self.asked.add(key)
        if self.chance.random() >= ASKING:
            return
        limit = self.books.courses[course_id].student_limit
        request = AllowanceRequest(
            membership_id=member_id,
            week_starts_at=week.week.starts_at,
            tokens=max(1, int(limit * self.chance.choice((0.1, 0.25, 1)))),
            reason=self.chance.choice(words.REASONS),
            created_at=at,
        )
        if not self._is_open(at):
            request.decided_at = at
            request.state, request.answer = AllowanceRequest.State.DECLINED, "Wait until Monday."
            if self.chance.random() < 0.7:
                request.state, request.answer = AllowanceRequest.State.GRANTED, "Granted."
                request.granted_tokens = request.tokens
                name = f"grant-{len(self.asked)}-{member_id}"
                self.books.staff(week, name, granted=request.tokens, reason=f"Asked for: {request.reason}", at=at)
        self.requests.append(request)

    def _appeal(self, call: DemoCall) -> None:
        row, hit = call.record.call, call.record.hits[0]
        appeal = Appeal(
            call_id=row.id,
            membership_id=row.membership_id,
            rule_id=hit.rule_id,
            rule_name=hit.name,
            rule_version=hit.version,
            reason=self.chance.choice(words.APPEALS),
            created_at=row.started_at,
        )
        if not self._is_open(row.started_at):
            appeal.decided_at = row.started_at
            appeal.state, appeal.answer = Appeal.State.DECLINED, "The rule is right here."
        self.appeals.append(appeal)

    def write(self) -> None:
        AllowanceRequest.objects.bulk_create(self.requests, batch_size=500)
        Appeal.objects.bulk_create(self.appeals, batch_size=500)
        self.requests.clear()
        self.appeals.clear()
