"""`[random]`: what is drawn from the seed."""

from collections import Counter

import pytest
from trio.testing import MockClock

from monitor.errors import ScenarioError
from monitor.sim.chance import DEEDS, FAULTS, drawn
from monitor.sim.scenario import Scenario, parse_scenario
from tests.sim.visitor import Visitor, fetch, open_exchange

STORY = """
seed = {seed}
length = "2h"
[random]
{random}
[[account]]
name = "main"
api_key = "k"
api_secret = "s"
balances = {{ USDT = "10000" }}
[[account]]
name = "other"
api_key = "k2"
api_secret = "s"
hedge = true
balances = {{ USDT = "10000" }}
[[account.position]]
symbol = "ETHUSDT"
side = "long"
quantity = "1"
entry_price = "3000"
"""


def story(random: str, seed: int = 7) -> Scenario:
    return parse_scenario(STORY.format(seed=seed, random=random), "test")


def test_a_seed_draws_one_story() -> None:
    wanted = "faults = 200\ndeeds = 300"
    told = drawn(story(wanted))
    assert told == drawn(story(wanted))
    assert told.do != drawn(story(wanted, seed=8)).do
    assert (len(told.fault), len(told.do)) == (400, 600)
    assert set(Counter(fault.what for fault in told.fault)) == set(FAULTS)
    assert set(Counter(deed.what for deed in told.do)) == set(DEEDS)
    assert {deed.account for deed in told.do} == {"main", "other"}
    assert all(0 <= each.at.ms <= 7_200_000 for each in (*told.do, *told.fault))
    lengths = [lasts for f in told.fault if (lasts := getattr(f, "lasts", None)) is not None]
    assert (min(lengths) >= 6000, max(lengths) <= 60_000) == (True, True)


def test_nothing_is_drawn_unless_asked() -> None:
    plain = story("")
    assert drawn(plain) is plain


def test_only_some_kinds() -> None:
    told = drawn(story('faults = 20\nfault_kinds = ["drop", "late"]\nlongest = "2s"'))
    assert {fault.what for fault in told.fault} == {"drop", "late"}
    assert told.do == ()


def test_kinds_that_cannot_be_drawn() -> None:
    with pytest.raises(ScenarioError) as caught:
        story('deeds = 5\ndeed_kinds = ["depsit"]\nfault_kinds = ["huge"]')
    assert str(caught.value).splitlines() == [
        (
            "test: [random], fault_kinds: `huge` cannot be drawn; kinds: drop, stall, mute, "
            "refuse, lose, duplicate, reorder, delay, strange, garble, late, empty, error, ban, "
            "skew, revert_stale"
        ),
        "test: [random], deed_kinds: `depsit` cannot be drawn; did you mean `deposit`?",
    ]


async def test_the_drawn_story_is_told(autojump_clock: MockClock) -> None:
    """The same bytes twice."""

    async def bytes_of_a_story() -> bytes:
        scenario = story('deeds = 600\ndeed_kinds = ["deposit", "withdrawal", "leverage"]')
        async with open_exchange(scenario) as exchange:
            _, _, body = await fetch(exchange, "POST", "/fapi/v1/listenKey", "k")
            user = await Visitor.visit(exchange, f"/private/ws?listenKey={body['listenKey']}")
            await user.receive_all(600)
            return user.received

    first = await bytes_of_a_story()
    assert len(first) > 1000
    assert first == await bytes_of_a_story()


def test_wrong_quirks_are_named() -> None:
    text = 'length = "1m"\n[quirks]\nexpiry_tld = "once"\nretry_after = "maybe"\n'
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f'{text}[[account]]\nname = "a"\napi_key = "k"\napi_secret = "s"\n', "x")
    assert str(caught.value).splitlines() == [
        "x: [quirks], retry_after: `maybe` is not possible; write 'bans', 'always' or 'never'",
        "x: [quirks]: unknown key `expiry_tld`; did you mean `expiry_told`?",
    ]
