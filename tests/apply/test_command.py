"""`manage.py apply`, as an operator types it."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import Course
from apps.providers.models import Model
from apps.rules.models import Rule
from tests.factories import make_model, make_rule

FILE = "courses: [{slug: c, title: C}]\n"


class Interloper(io.StringIO):
    """A terminal on which, as soon as the difference shows, somebody else deletes a model and a rule."""

    def write(self, text: str) -> int:
        Model.objects.filter(name="m").delete()
        Rule.objects.filter(name="old").delete()
        return super().write(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stoa.yaml"
    path.write_text(FILE)
    return path


def test_it_prints_the_difference(db: None, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("apply", str(file))

    assert capsys.readouterr().out == "+ course c\n+ allowance of course c\n"
    assert Course.objects.filter(slug="c").exists()


def test_a_dry_run_says_so(db: None, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("apply", str(file), "--dry-run")

    assert capsys.readouterr().out.endswith("Dry run: nothing was changed.\n")
    assert not Course.objects.filter(slug="c").exists()


def test_a_dash_is_standard_input(
    db: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FILE.encode())))

    call_command("apply", "-")

    assert "+ course c" in capsys.readouterr().out


def test_mistakes_go_to_standard_error_with_exit_code_1(
    db: None, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("courses: [{slug: c}]\n")

    with pytest.raises(SystemExit) as exit:
        call_command("apply", str(file))

    assert exit.value.code == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == f"{file}:1: courses[0].title: This field cannot be blank.\nNothing was changed.\n"


def test_secrets_come_from_the_environment_and_are_not_printed(
    db: None, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_KEY", "very-secret")
    file.write_text(
        "providers: [{name: lab, base_url: 'https://lab.example/v1', credentials: [{label: a, secret_env: LAB_KEY}]}]"
    )

    call_command("apply", str(file))

    output = capsys.readouterr()
    assert "+ credential lab/a" in output.out
    assert "very-secret" not in output.out + output.err


def test_a_file_that_is_not_there_is_told(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("apply", str(tmp_path / "none.yaml"))


def test_it_prunes_when_asked(db: None, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("courses: [{slug: c, title: C, rules: [{name: r, pattern: x, message: No.}]}]")
    call_command("apply", str(file))
    file.write_text("courses: [{slug: c, rules: []}]")
    capsys.readouterr()

    call_command("apply", str(file), "--prune")

    assert capsys.readouterr().out == "- rule c/r\n"


def test_what_goes_away_meanwhile_stops_all_of_it(db: None, file: Path) -> None:
    make_model(name="m")
    file.write_text("courses: [{slug: c, title: C, models: [m]}]")

    with pytest.raises(CommandError, match=r"Somebody else changed the same things meanwhile\. Nothing was changed\."):
        call_command("apply", str(file), stdout=Interloper())

    assert not Course.objects.filter(slug="c").exists()


def test_what_somebody_else_deletes_meanwhile_is_deleted(db: None, file: Path) -> None:
    call_command("apply", str(file))
    make_rule(course=Course.objects.get(slug="c"), name="old")
    file.write_text("courses: [{slug: c, rules: []}]")

    call_command("apply", str(file), "--prune", stdout=Interloper())

    assert not Rule.objects.filter(name="old").exists()
