"""Generates docs/settings.md from `env.py`: `python -m gateway_project.settings_page`; `--check` only compares."""

import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway_project.env import BASE_DIR, Env

PAGE = BASE_DIR / "docs" / "settings.md"
INTRODUCTION = """# Settings

This page is made from `gateway_project/env.py` by `make docs`.

## While Stoa runs

Operators change these in the admin, under *System*. All processes take them over within two seconds, without a restart.

| Page | What |
|---|---|
| *Live settings* | the log level; how long a query, a call and a look at rules may take before the log says so |
| *Notification channels* | who is told what, by e-mail or webhook: see [notifications](notifications.md) |

What courses, rules, allowances, providers, models, services and people are allowed is not a setting: it is in the
database, and takes effect in the same way.

## At the start

All others are environment variables, and **each of them needs a restart**. A wrong value stops the start with a line
that names the variable.

| Variable | Default | Meaning |
|---|---|---|
"""


def page() -> str:
    return INTRODUCTION + "".join(_row(name, field) for name, field in Env.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    meaning = (field.description or "") + (f" One of: {', '.join(choices)}." if len(choices) > 1 else "")
    return f"| `{name.upper()}` | {_default(field.default)} | {meaning} |\n"


def _default(value: Any) -> str:
    if isinstance(value, SecretStr) or value is None:
        return "–"
    if isinstance(value, Path):
        return f"`./{value.relative_to(BASE_DIR)}`"
    return f"`{','.join(value) if isinstance(value, list) else value}`"


def main() -> None:
    if "--check" not in sys.argv:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        sys.exit("docs/settings.md does not tell what env.py says. Run: make docs")


if __name__ == "__main__":
    main()
