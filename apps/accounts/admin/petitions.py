"""The admin queue of one kind of petition, for the staff of a course."""

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from apps.accounts.petitions import OPEN
from apps.accounts.scoping import CourseScoped
from apps.common.admin import CappedPaginator
from apps.common.display import badge, moment
from apps.common.translation import lazy as _


class PetitionAdmin(CourseScoped):
    """Students file petitions and staff decide them. Nobody adds or deletes one here."""

    paginator = CappedPaginator

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, petition: Any) -> SafeString:
        kind = {OPEN: "warning", "declined": ""}.get(petition.state, "good")
        return badge(petition.state, kind, moment(petition.decided_at))
