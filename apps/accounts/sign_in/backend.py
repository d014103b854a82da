"""Who may sign in with a password."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from apps.accounts.models import User

MOST_ALIKE = 100  # names that differ in case only


class StaffPasswords(AuthenticationBackend):  # type: ignore[misc]
    """Active staff. For everybody else the answer is that to a wrong password, and takes as long."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        user: User | None = super().authenticate(request, **credentials)
        self.unstash_authenticated_user()  # allauth would tell whoever is inactive that the password was right
        return user if user is not None and user.is_staff else None

    def _authenticate_by_username(self, username: str, password: str) -> User | None:
        """Whose name is spelled exactly so, or else the only one whose name is the same in other letters.

        django-allauth lets neither of two in whose names differ in case, so that one could lock out the other.
        """
        alike = list(User.objects.filter(username__iexact=username)[:MOST_ALIKE])
        named = [user for user in alike if user.username == username] or alike
        user: User | None = self._check_password(named[0] if len(named) == 1 else None, password)
        return user
