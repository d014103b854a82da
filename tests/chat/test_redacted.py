"""What a rule redacts is nowhere: in no database, no spool, no log, and with no provider."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings

from apps.conversations import history
from apps.conversations.models import Call, Exchange, RuleHit, Turn
from tests.chat.world import World, create_world, wait_until
from tests.live import own_data_dir, start_gateway
from tests.provider_stub import ProviderStub

pytestmark = pytest.mark.timeout(180)

SECRET = "hunter-7741-zebra"
PATTERN = "hunter-[0-9]{4}-zebra"
HARMLESS = "control-9902-okapi"
IN = [
    {"name": "secrets", "action": "redact", "pattern": PATTERN, "replacement": "[secret]"},
    {"name": "homework", "pattern": "homework"},
    {"name": "off", "action": "redact", "direction": "answer", "pattern": PATTERN},
    {"name": "stop", "direction": "answer", "pattern": "stop here"},
]


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Everything that is left after calls with a secret in them."""

    files: dict[str, bytes]
    rows: str
    sent: bytes
    answers: str
    tails: set[str]
    history: list[dict[str, Any]]
    student: int
    statuses: list[str]
    shown: set[str]
    thread_sizes: Counter[int]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.fixture(scope="module")
def aftermath(pristine: Path, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Aftermath]:
    with django_db_blocker.unblock(), own_data_dir(pristine, tmp_path_factory.mktemp("redacted")) as data_dir:
        yield aftermath_of(data_dir)


def aftermath_of(data_dir: Path) -> Aftermath:
    with ProviderStub() as stub, start_gateway(data_dir) as gateway, create_world(gateway, stub, rules=IN) as world:
        world.wait_until_seen()
        stub.always(text=f"Is {SECRET} yours? {HARMLESS}")
        answers, history = ask_everything(world, stub)
        wait_until(lambda: Exchange.objects.count() == Call.objects.count() > 0, what="The text's way to the database")
        open_files = read_all(data_dir)  # while everything is open, logs of the databases included
        gateway.stop()
        return Aftermath(
            files={**open_files, **{f"{name}, afterwards": content for name, content in read_all(data_dir).items()}},
            rows="\n".join(rows()),
            sent=b"".join(exchange.raw for exchange in stub.journal),
            answers="\n".join(answers),
            tails=set(Exchange.objects.values_list("tail", flat=True)),
            history=history,
            student=world.student.pk,
            statuses=sorted(Call.objects.values_list("status", flat=True)),
            shown=set(places_of_secrets()),
            thread_sizes=Counter(Exchange.objects.values_list("thread", flat=True)),
        )


def ask_everything(world: World, stub: ProviderStub) -> tuple[list[str], list[dict[str, Any]]]:
    first = user(f"My password is {SECRET}, {HARMLESS}")
    plain = world.post(world.body(messages=[first]))
    answer = plain.json()["choices"][0]["message"]
    history = [first, answer, user("And what now?")]
    others: list[dict[str, Any]] = [
        {"messages": history},
        {"messages": history, "stream": True},
        {"messages": [user(f"Do my homework, {SECRET}")]},
        {"messages": [user("Hi")], "metadata": {SECRET: "a"}},
        {"messages": [user("hunter-77"), user("41-zebra")], "stream": True},
        {"messages": [{"role": "assistant", "tool_calls": [call_with_escapes()]}, user("So?")]},
    ]
    texts = [plain.text, *(world.post({"model": world.model.name, **one}).text for one in others)]
    stub.will(text=f"{SECRET} and stop here, {SECRET}.", times=2)
    return [*texts, world.post().text, world.post(world.body(stream=True)).text], history


def call_with_escapes() -> dict[str, Any]:
    arguments = json.dumps({"q": SECRET}).replace("hunter", "h\\u0075nter")
    return {"id": "a", "type": "function", "function": {"name": "look", "arguments": arguments}}


def read_all(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def rows() -> Iterator[str]:
    for model in apps.get_models():
        if model._meta.app_label != "rules" and model._meta.managed:
            yield from (str(row) for row in model._base_manager.values_list())


def places_of_secrets() -> Iterator[str]:
    texts = {(turn.call_id, turn.message): turn.text for turn in Turn.objects.all()}
    for hit in RuleHit.objects.filter(name="secrets", end__gt=0):
        if text := texts.get((hit.call_id, hit.message)):
            yield text[hit.start : hit.end]


def test_a_secret_is_found_nowhere(aftermath: Aftermath) -> None:
    encoded = re.compile(rb"hunter|zebra|h\\u0075nter|-7741-|\b7741\b")
    in_rules = PATTERN.encode()  # and in the audit log, which says what became of them

    found = [name for name, content in aftermath.files.items() if encoded.search(content.replace(in_rules, b""))]

    assert found == []
    assert "hunter" not in aftermath.rows.replace(PATTERN, "")
    assert not encoded.search(aftermath.sent)
    assert "hunter" not in aftermath.answers


def test_what_is_not_secret_is_found_everywhere(aftermath: Aftermath) -> None:
    looked_at = b"".join(aftermath.files.values())

    assert HARMLESS in aftermath.rows
    assert HARMLESS.encode() in aftermath.sent
    assert HARMLESS in aftermath.answers
    if "postgresql" not in settings.DATABASES["default"]["ENGINE"]:
        assert HARMLESS.encode() in looked_at


def test_every_call_ended_as_it_should(aftermath: Aftermath) -> None:
    assert aftermath.statuses == ["answered"] * 5 + ["blocked"] * 4


def test_the_places_of_what_was_redacted_are_recorded(aftermath: Aftermath) -> None:
    assert aftermath.shown == {"[secret]"}


def test_a_conversation_goes_on_although_its_history_is_resent_unredacted(aftermath: Aftermath) -> None:
    assert max(aftermath.thread_sizes.values()) == 3


def test_no_digest_is_one_of_the_secret(aftermath: Aftermath) -> None:
    digest = str(aftermath.student)
    digests = set()
    for message in aftermath.history:
        digest = history.extend(digest, message["role"], message["content"].replace("[secret]", SECRET))
        digests.add(digest)

    assert not digests & aftermath.tails
