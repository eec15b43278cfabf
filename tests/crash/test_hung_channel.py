"""One hung channel among three, on the real clock, beside a service whose channels are all well."""

import sys
from pathlib import Path
from statistics import median

from tests.crash.laws import Left
from tests.crash.lives import House, warm
from tests.crash.phones import Phones
from tests.processes import simulator, wait_for

TURNS = 5
RULES = 20
WELL = ("phone", "desk")
GENEROUS = 3.0
"""Seconds more than usual that a single message may take on a busy machine; a send hangs for 4,
until Apprise gives up reading, and the next one begins soon after."""

SCENARIO = """
length = "1h"
mark_interval = "50ms"
weight_limit = 100000
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = {{ USDT = "100000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "1000"
leverage = 5
[[price]]
symbol = "BTCUSDT"
points = [{points}]
"""


def _scenario() -> str:
    """Turn around every 800 ms: each time every rule's level changes."""
    corners = [
        f'["{800 * turn}ms", "{1010 if turn % 2 else 990}"], '
        f'["{800 * turn + 700}ms", "{1010 if turn % 2 else 990}"]'
        for turn in range(400)
    ]
    return SCENARIO.format(points=", ".join(corners))


def test_the_others_are_told_within_a_second_of_their_normal_time(tmp_path: Path) -> None:
    scenario = tmp_path / "turns.toml"
    scenario.write_text(_scenario())
    rules = "".join(
        f'[[rule]]\nname = "r{n}"\nwarning = "mark_price > {1000 + n / 20}"\nrepeat = "never"\n'
        for n in range(RULES)
    )
    hasty = (sys.executable, "-m", "tests.crash.hasty")
    with (
        Phones(lambda name: "hang" if name == "hung" else "ok", longest_hang=60.0) as phones,
        simulator(scenario, hasty) as account,
        warm() as parent,
    ):
        names = {"beside": ("hung", *WELL), "alone": WELL}
        houses = {
            house: House(
                parent,
                tmp_path / house,
                account,
                "".join(_channel(name, phones.url(_path(house, name))) for name in channels),
                rules,
            )
            for house, channels in names.items()
        }
        lives = [house.begin() for house in houses.values()]
        wanted = [_path(house, name) for house in houses for name in WELL]
        wait_for(lambda: min(_heard(phones, path) for path in wanted) >= RULES * TURNS, 60)
        for life in lives:
            life.kill()

    late = {}
    for name, house in houses.items():
        left = Left()
        left.read(house.data_dir)
        for channel in WELL:
            late[name, channel] = [
                got.at - left.facts[mark.number].at / 1000
                for got in phones.receipts
                if got.channel == _path(name, channel)
                for mark in got.marks
            ]
    assert {got.answer for got in phones.receipts if got.channel == "hung"} == {"hang"}
    for channel in WELL:
        usual, now = late["alone", channel], late["beside", channel]
        assert median(now) - median(usual) < 1.0, (channel, median(now), median(usual))
        assert max(now) - max(usual) < GENEROUS, (channel, max(now), max(usual))


def _path(house: str, channel: str) -> str:
    return channel if channel == "hung" else f"{house}-{channel}"


def _channel(name: str, url: str) -> str:
    return f'[[channel]]\nname = "{name}"\nurl = "{url}"\ngroup_wait = "200ms"\n'


def _heard(phones: Phones, path: str) -> int:
    return len({m.number for got in phones.receipts if got.channel == path for m in got.marks})
