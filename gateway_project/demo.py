"""The demo of a first run in development: a course that needs no provider account, with people to try it as."""

import json
import os
import secrets
import shlex
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.accounts.models import ApiKey, Course, Membership, User
from gateway_project import apply
from gateway_project.data_dir import write_private

CONTENT = Path(__file__).with_name("demo.yaml")
Demo = dict[str, Any]


def ensure_demo(*, data_dir: Path, base_url: str) -> Demo | None:
    """The content of `demo.json`, created on the first run. None if there is no demo, and always in production."""
    path = data_dir / "demo.json"
    if settings.ENV.is_production:
        return None
    if not User.objects.exists() and not Course.objects.exists():
        return _make(path, base_url)
    if not path.exists():
        return None
    demo: Demo = json.loads(path.read_text())
    return demo if demo["base_url"] == base_url else _write(path, {**demo, "base_url": base_url})


@transaction.atomic
def _make(path: Path, base_url: str) -> Demo:
    admin, tess = ({"username": name, "password": secrets.token_urlsafe(12)} for name in ("admin", "tess"))
    User.objects.create_superuser(**admin, email="admin@example.edu")
    User.objects.create_user(**tess, email="tess@example.edu")
    apply.apply(CONTENT.read_bytes(), source=CONTENT.name, environment=os.environ)
    ada = Membership.objects.get(course__slug="demo", external_id="ada")
    _, key = ApiKey.issue(membership=ada, name="demo")
    demo = {"base_url": base_url, "admin": admin, "instructor": tess, "course": "demo", "student_key": key}
    # Written before the commit: rows without the file would be useless, whereas a leftover file is overwritten.
    return _write(path, {**demo, "model": "echo"})


def _write(path: Path, demo: Demo) -> Demo:
    write_private(path, json.dumps(demo, indent=2) + "\n")
    return demo


def banner(demo: Demo) -> str:
    """What a new user needs, as text for the terminal."""
    admin, instructor = demo["admin"], demo["instructor"]
    return f"""
Stoa runs at {demo["base_url"]}

  Admin        {demo["base_url"]}/admin/
    operator   {admin["username"]} / {admin["password"]}
    instructor {instructor["username"]} / {instructor["password"]}
  Students     {demo["base_url"]}/v1  (base URL for OpenAI clients; model {demo["model"]})
    API key    {demo["student_key"]}

Ask something:
  {_curl(demo, "-s")}
and watch the answer stream:
  {_curl(demo, "-sN", stream=True)}
"""


def _curl(demo: Demo, flags: str, **fields: Any) -> str:
    body = {"model": demo["model"], "messages": [{"role": "user", "content": "Hello, Stoa"}], **fields}
    return " ".join(
        [
            f"curl {flags} {demo['base_url']}/v1/chat/completions",
            f"-H {shlex.quote('Authorization: Bearer ' + demo['student_key'])}",
            f"-H {shlex.quote('Content-Type: application/json')}",
            f"-d {shlex.quote(json.dumps(body))}",
        ]
    )
