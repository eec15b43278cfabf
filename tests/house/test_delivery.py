"""Deliveries of the whole service in virtual time: a channel that hangs, a service that is down."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.house.switchboard import Switchboard
from tests.house.test_stories import FALLING
from tests.house.town import HEAD, Town

NAMES = ("hung", "phone", "desk")
CHANNEL = '[[channel]]\nname = "{}"\nurl = "json://127.0.0.1:9"\n'

TEN_RULES = "".join(
    f'[[rule]]\nname = "above-{number}"\nwarning = "mark_price > {60_000 + number}"\n'
    'repeat = "never"\n'
    for number in range(10)
)
TEN_TURNS = (
    '[[price]]\nsymbol = "BTCUSDT"\npoints = ['
    + ", ".join(f'["{9 * turn}s", "{60_100 if turn % 2 else 59_900}"]' for turn in range(1, 11))
    + "]\n"
)
"""Above all thresholds at first, then nine times through all of them: 100 notices."""


def _town_of_ten(folder: Path) -> Town:
    folder.mkdir()
    channels = "".join(map(CHANNEL.format, NAMES))
    return Town(folder, TEN_TURNS, rules=TEN_RULES, channels=channels)


async def _hundred(town: Town, how: Callable[[str, float], str]) -> Switchboard:
    board = Switchboard(lambda: town.seconds, how)
    town.send = board.send
    async with town.exists(), town.life(crash=True):
        await town.until(120)
    assert len(town.heard) == 100
    return board


async def test_one_hung_channel_of_three_delays_no_other_under_a_hundred_notices(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    normal = await _hundred(_town_of_ten(tmp_path / "normal"), lambda *_: "ok")
    beside = await _hundred(
        _town_of_ten(tmp_path / "beside"), lambda name, _: "hang" if name == "hung" else "ok"
    )

    assert beside.taken("hung") == []
    assert len({mark.number for one in normal.taken("hung") for mark in one.marks}) == 100
    for channel in ("phone", "desk"):
        usual, now = _first(normal, channel), _first(beside, channel)
        assert sorted(usual) == sorted(now) == list(range(1, 101))
        late = {number: now[number] - usual[number] for number in now}
        assert {number: by for number, by in late.items() if by > 1.0} == {}


def _first(board: Switchboard, channel: str) -> dict[int, float]:
    """Tell when a channel first took each number."""
    first: dict[int, float] = {}
    for one in board.taken(channel):
        for mark in one.marks:
            first.setdefault(mark.number, one.at)
    return first


HOUR = (30.0, 3630.0)
LONGEST_WAIT = 300.0
"""Seconds between two attempts, at most."""


@pytest.mark.parametrize("answer", ["500", "hang"])
async def test_what_fired_and_cleared_while_the_service_was_down_is_told_late_and_marked(
    autojump_clock: MockClock, tmp_path: Path, answer: str
) -> None:
    """The alert fires at 43 s and clears at 1,259 s; a second channel is well all the time."""
    town = Town(
        tmp_path,
        FALLING,
        head=HEAD.replace('length = "2h"', 'length = "2h"\nmark_interval = "2s"'),
        channels="".join(map(CHANNEL.format, ("phone", "desk"))),
    )

    def how(channel: str, at: float) -> str:
        return answer if channel == "phone" and HOUR[0] <= at < HOUR[1] else "ok"

    board = Switchboard(lambda: town.seconds, how)
    town.send = board.send
    async with town.exists(), town.life(crash=True):
        await town.until(HOUR[1] + LONGEST_WAIT + 60)

    alert = [notice.number for notice in town.heard if notice.rule == "distance"]
    assert [notice.kind for notice in town.heard if notice.number in alert] == ["fired", "resolved"]
    taken = [one for one in board.taken("phone") if {m.number for m in one.marks} & {*alert}]
    assert [m.number for one in taken for m in one.marks if m.number in alert] == alert
    for one in taken:
        assert HOUR[1] <= one.at <= HOUR[1] + LONGEST_WAIT + 30
        assert re.search(r"delivered .* late", one.text), one.text
    # Whatever was tried before says which attempt this is; what was not, has no mark.
    tried: dict[int, int] = {}
    for one in board.receipts:
        for number, attempt in one.marks if one.channel == "phone" else ():
            tried[number] = tried.get(number, 0) + 1
            assert attempt == tried[number]
    assert tried[alert[0]] > 5
    on_time = [one.at for one in board.taken("desk") if {m.number for m in one.marks} & {*alert}]
    assert [round(at, -1) for at in on_time] == [50.0, 1260.0]
    assert not [one for one in board.taken("desk") if "late" in one.text]
