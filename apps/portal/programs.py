"""What service accounts may not do: petitions are between people."""

from apps.accounts import permissions
from apps.accounts.permissions import Verb
from apps.accounts.principals import Principal
from apps.common.errors import NotAllowed


def refuse_programs(principal: Principal, petition: str) -> None:
    """Raise NotAllowed if the caller's role may not file this kind of petition."""
    if not permissions.member_may(principal.role, Verb.ADD, petition):
        raise NotAllowed(
            "not_for_service_accounts",
            "A service account files no requests and no appeals. Ask the instructor of the course.",
        )
