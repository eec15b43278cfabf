"""Forty alerts that become critical within a second: a few messages, and every number in them."""

from pathlib import Path

import pytest
from trio.testing import MockClock

from monitor.sim import marks
from tests.house.switchboard import Switchboard
from tests.house.town import HEAD, Town

COUNT = 40
FALL = 20.0
"""The second of the story at which the price begins to fall, by 1,000 within a second."""
PRICE = f"""
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["{FALL:g}s", "60000"], ["{FALL + 1:g}s", "59000"]]
"""
CHANNELS = """
[[channel]]
name = "phone"
url = "json://127.0.0.1:9"
group_wait = "0s"
[[channel]]
name = "desk"
url = "json://127.0.0.1:9"
"""
MOST = 3
"""Messages that each channel may get of them."""


async def _fallen(folder: Path, tick: str, takes: float) -> tuple[Town, Switchboard]:
    rules = "".join(
        f'[[rule]]\nname = "below-{number}"\n'
        f'critical = "mark_price < {60_000 - (number + 0.5) * 1000 / COUNT}"\nrepeat = "never"\n'
        for number in range(COUNT)
    )
    town = Town(
        folder,
        PRICE,
        rules=rules,
        channels=CHANNELS,
        head=HEAD.replace('length = "2h"', f'length = "2h"\nmark_interval = "{tick}"'),
    )
    board = Switchboard(lambda: town.seconds, takes=takes)
    town.send = board.send
    async with town.exists(), town.life(crash=True):
        await town.until(FALL + 30)
    assert [notice.severity.word for notice in town.heard] == ["critical"] * COUNT
    return town, board


def _judge(board: Switchboard) -> None:
    for channel in ("phone", "desk"):
        told = board.taken(channel)
        numbers = [mark.number for one in told for mark in one.marks]
        assert sorted(numbers) == list(range(1, COUNT + 1)), channel
        assert len(told) <= MOST, [(one.at, len(one.marks)) for one in told]
        assert told[0].at <= FALL + 2, "the first does not wait for the others"
        assert told[-1].at <= FALL + 5


@pytest.mark.parametrize("takes", [0.02, 0.3])
async def test_forty_criticals_of_one_turn_are_a_few_messages(
    autojump_clock: MockClock, tmp_path: Path, takes: float
) -> None:
    """A mark comes once a second: one of them crosses all forty thresholds."""
    town, board = await _fallen(tmp_path, "1s", takes)
    assert len({notice.at for notice in town.heard}) == 1
    _judge(board)


@pytest.mark.parametrize("takes", [0.02, 0.3])
async def test_forty_criticals_spread_over_a_second_are_a_few_messages(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes: float
) -> None:
    """A mark comes every 25 ms: each crosses the next threshold."""
    monkeypatch.setitem(marks._PERIODS, "@1s", 25)
    town, board = await _fallen(tmp_path, "25ms", takes)
    assert len({notice.at for notice in town.heard}) >= COUNT / 2
    _judge(board)
