"""How long what an issuer published is believed, and how often it is asked."""

import asyncio
import threading

import pytest

from apps.accounts.sign_in.discovery import IssuerAway, Published, SigningKey, Source, parse_keys
from apps.accounts.sign_in.key_sets import BACK_OFF, FRESH, LOOK_AGAIN, STALE, KeySets, UnknownKey
from tests.accounts.sign_in.publisher import ec_jwk

CAMPUS = Source(issuer="https://idp.example")
KEYS: dict[str, SigningKey] = parse_keys({"keys": [ec_jwk("old"), ec_jwk("new")]})


class Campus:
    """An issuer with a clock. It publishes the keys of these ids, or is away."""

    def __init__(self, *ids: str) -> None:
        self.ids, self.is_away, self.asked, self.now = ids, False, 0, 1000.0
        self.sets = KeySets(fetch=self.fetch, clock=lambda: self.now)
        self.gate = threading.Event()
        self.gate.set()

    async def fetch(self, source: Source) -> Published:
        self.asked += 1
        await asyncio.to_thread(self.gate.wait, 5)
        if self.is_away:
            raise IssuerAway("The issuer is away.")
        url = "https://idp.example/x"
        return Published(
            issuer=source.issuer,
            authorization_endpoint=url,
            token_endpoint=url,
            userinfo_endpoint=url,
            jwks_uri=url,
            basic_auth=True,
            keys={kid: KEYS[kid] for kid in self.ids},
        )

    async def key(self, kid: str) -> SigningKey:
        return await self.sets.signing_key(CAMPUS, kid=kid)


async def test_a_set_is_fetched_once_in_ten_minutes() -> None:
    campus = Campus("old")

    for _ in range(5):
        assert (await campus.key("old")).kid == "old"
        campus.now += FRESH / 5 - 1
    assert campus.asked == 1

    campus.now += 10
    await campus.key("old")
    assert campus.asked == 2


async def test_those_who_ask_at_once_share_one_fetch() -> None:
    campus = Campus("old")
    campus.gate.clear()

    waiting = [asyncio.create_task(campus.key("old")) for _ in range(10)]
    await asyncio.sleep(0.02)
    waiting.pop().cancel()
    campus.gate.set()

    assert len(await asyncio.gather(*waiting)) == 9
    assert campus.asked == 1


async def test_a_rotated_key_is_found_without_waiting_ten_minutes() -> None:
    campus = Campus("old")
    await campus.key("old")
    campus.ids = ("new",)
    campus.now += LOOK_AGAIN

    assert (await campus.key("new")).kid == "new"
    with pytest.raises(UnknownKey):
        await campus.key("old")


async def test_made_up_ids_make_it_ask_once_a_minute_at_most() -> None:
    campus = Campus("old")
    await campus.key("old")
    campus.now += LOOK_AGAIN

    for number in range(50):
        with pytest.raises(UnknownKey):
            await campus.key(f"made-up-{number}")
    assert campus.asked == 2


async def test_old_keys_serve_while_the_issuer_is_away() -> None:
    campus = Campus("old")
    await campus.key("old")
    campus.is_away = True
    campus.now += FRESH

    for _ in range(20):
        assert (await campus.key("old")).kid == "old"
    assert campus.asked == 2  # once it has failed, it is left alone for a while

    campus.now += BACK_OFF
    await campus.key("old")
    assert campus.asked == 3


async def test_old_keys_do_not_serve_for_ever() -> None:
    campus = Campus("old")
    await campus.key("old")
    campus.is_away = True
    campus.now += STALE

    with pytest.raises(IssuerAway, match="is away"):
        await campus.key("old")


async def test_an_issuer_that_never_answered_is_not_asked_by_everybody() -> None:
    campus = Campus("old")
    campus.is_away = True

    for _ in range(10):
        with pytest.raises(IssuerAway):
            await campus.key("old")
    assert campus.asked == 1

    campus.is_away, campus.now = False, campus.now + BACK_OFF
    assert await campus.key("old")


async def test_a_failure_of_our_own_is_raised_and_not_kept() -> None:
    campus = Campus("unheard of")

    for _ in range(2):
        with pytest.raises(KeyError):
            await campus.key("old")
    assert campus.asked == 2


async def test_what_is_forgotten_is_fetched_anew() -> None:
    campus = Campus("old")
    await campus.key("old")

    campus.sets.forget(CAMPUS)
    await campus.sets.published(CAMPUS)

    assert campus.asked == 2
