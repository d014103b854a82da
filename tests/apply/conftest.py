from pathlib import Path

import pytest
from django.db import connection

from apps.common.models import Revision
from gateway_project.apply import Mistakes, apply

# The example of the manual, unchanged.
EXAMPLE = Path(__file__).with_name("example.yaml").read_text()


class Operator:
    """Applies files, as an operator would, and remembers nothing between them but the environment."""

    def __init__(self) -> None:
        self.environment = {"MOCK_KEY": "first-secret"}

    def apply(self, text: str, *, prune: bool = False, dry_run: bool = False) -> list[str]:
        """The lines that are shown."""
        shown: list[str] = []
        apply(
            text.encode(),
            source="stoa.yaml",
            environment=self.environment,
            prune=prune,
            dry_run=dry_run,
            show=shown.append,
        )
        return shown

    def refused(self, text: str, *, prune: bool = False) -> list[str]:
        """The mistakes, one a line. A refused file shows no difference and writes nothing."""
        before = revisions()
        with pytest.raises(Mistakes) as raised:
            self.apply(text, prune=prune)
        assert revisions() == before
        return str(raised.value).splitlines()


def revisions() -> dict[str, int]:
    return dict(Revision.objects.values_list("topic", "number"))


@pytest.fixture
def example() -> str:
    return EXAMPLE


@pytest.fixture
def operator(db: None) -> Operator:
    assert connection.in_atomic_block
    return Operator()


@pytest.fixture
def applied(operator: Operator) -> Operator:
    """The operator, after the example has been applied."""
    operator.apply(EXAMPLE)
    return operator
