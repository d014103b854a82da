"""`manage.py check_providers`: a table that says which provider works with which credential."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.providers.models import Provider
from tests import factories
from tests.provider_stub import ProviderStub


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        yield stub


@pytest.fixture
def campus(db: None, stub: ProviderStub) -> Provider:
    Provider.objects.update(is_enabled=False)
    return factories.make_provider(name="campus", base_url=stub.base_url, probe_path="", secret="sk-right")


def check(*names: str) -> tuple[list[str], str]:
    """The lines that it prints, and its complaint."""
    printed = StringIO()
    complaint = ""
    try:
        call_command("check_providers", *names, stdout=printed)
    except CommandError as error:
        complaint = str(error)
    return printed.getvalue().splitlines(), complaint


def test_all_is_well(campus: Provider) -> None:
    lines, complaint = check()

    assert lines[0].split("  ")[0] == "PROVIDER"
    assert lines[1].split()[0] == "campus"
    assert (" well " in lines[1], lines[1].endswith("Works."), " ms " in lines[1]) == (True, True, True)
    assert complaint == ""


def test_what_is_wrong_ends_in_an_error(campus: Provider, stub: ProviderStub) -> None:
    factories.make_provider(name="down", base_url="http://127.0.0.1:1/v1", probe_path="")
    stub.lists(status=401, body=None)

    lines, complaint = check()

    assert "does not accept the key" in lines[1]
    assert "refuses connections on port 1" in lines[2]
    assert complaint == "2 of 2 checks found something wrong."


def test_a_named_provider_is_asked_alone_whatever_its_settings(campus: Provider, stub: ProviderStub) -> None:
    campus.is_enabled, campus.probe_path = False, "off"
    campus.save()
    factories.make_provider(name="down", base_url="http://127.0.0.1:1/v1")

    lines, complaint = check("campus")

    assert (len(lines), complaint) == (2, "")


def test_a_name_that_is_not_known_is_refused(campus: Provider) -> None:
    assert check("kampus") == ([], "There is no provider named kampus.")


@pytest.mark.parametrize("change", [{"probe_path": "off"}, {"adapter": "echo"}])
def test_who_has_no_health_check_is_not_asked(campus: Provider, stub: ProviderStub, change: dict[str, Any]) -> None:
    Provider.objects.filter(pk=campus.pk).update(**change)

    lines, complaint = check()

    assert (lines, complaint) == (["There is no provider to ask: none is enabled, or none has a health check."], "")
    assert stub.checks == []


def test_no_secret_is_printed(campus: Provider) -> None:
    assert "sk-right" not in "".join(check()[0])
