"""Once a day, by the clocks on the wall: whatever restarts, sleeps, clocks and edits do."""

from datetime import UTC
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from monitor.app.daily import Daily
from monitor.config import Heartbeat, load_config
from monitor.core.events import Now
from monitor.rulefile import parse_rules
from tests.house.town import START, Town

CALM = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"]]\n'
DAILY = 'heartbeat = { daily = "03:05" }\n'
TITLE = "INFO: marginwatch: still here, nearest BTCUSDT long (main) 9.6 % from liquidation"
FIVE_PAST = 300.0
"""Seconds of the story: it begins at 03:00."""
DAY = 86_400.0


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path, CALM, settings=DAILY)


def told(town: Town) -> list[tuple[float, str]]:
    return [(at, title) for at, _, title in town.sent if "still here" in title]


async def test_it_comes_once(autojump_clock: MockClock, town: Town) -> None:
    async with town.exists(), town.life():
        await town.until(1000)
    assert told(town) == [(FIVE_PAST, TITLE)]


async def test_a_restart_repeats_nothing(autojump_clock: MockClock, town: Town) -> None:
    async with town.exists():
        async with town.life(crash=True):
            await town.until(FIVE_PAST + 1)
        async with town.life():
            await town.until(1000)
    assert told(town) == [(FIVE_PAST, TITLE)]


async def test_what_passed_while_nothing_ran_is_not_made_up_for(
    autojump_clock: MockClock, town: Town
) -> None:
    async with town.exists():
        async with town.life():
            await town.until(FIVE_PAST - 10)
        await town.until(FIVE_PAST + 10)
        async with town.life():
            await town.until(1000)
    assert told(town) == []


async def test_what_passed_while_the_machine_slept_is_not_made_up_for(
    autojump_clock: MockClock, town: Town
) -> None:
    async with town.exists(), town.life():
        await town.until(100)
        town.slept = 3_600_000
        await town.until(1000)
    assert told(town) == []


async def test_another_time_is_taken_without_a_restart(
    autojump_clock: MockClock, town: Town
) -> None:
    async with town.exists(), town.life() as service:
        await town.until(FIVE_PAST + 5)
        path = town.folder / "config.toml"
        path.write_text(path.read_text().replace("03:05", "03:07"))
        await service.reload(load_config(path), parse_rules(town.rules))
        await town.until(1000)
    assert [at for at, _ in told(town)] == [FIVE_PAST, FIVE_PAST + 120]


# ---------------------------------------------------------------- the clock alone


class Wall:
    """A clock on the wall that may be set."""

    def __init__(self, config: str = "03:05") -> None:
        self.ahead = 0
        self.called: list[float] = []
        self.config = Heartbeat.model_validate({"daily": config})

    def now(self) -> Now:
        ticks = round(trio.current_time() * 1000)
        return Now(ticks, START + ticks + self.ahead)

    def call(self) -> None:
        self.called.append((self.now().utc - START) / 1000)


@pytest.mark.parametrize(
    ("at", "ahead", "called"),
    [
        pytest.param(200, 0, [300, 86_700, 173_100], id="nobody touches it"),
        pytest.param(400, -600_000, [300, 86_700, 173_100], id="set back, no day comes twice"),
        pytest.param(200, 90_000, [300, 86_700, 173_100], id="a little forward"),
        pytest.param(200, 7_200_000, [86_700, 173_100], id="forward, beyond it"),
        pytest.param(400, -10 * 86_400_000, [300, -777_300, -690_900], id="far back: anew"),
    ],
)
async def test_a_clock_that_is_set(
    autojump_clock: MockClock, at: float, ahead: int, called: list[float]
) -> None:
    wall = Wall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Daily(wall.config, UTC, now=wall.now, call=wall.call).run)
        await trio.sleep(at)
        wall.ahead = ahead
        await trio.sleep(2.5 * DAY)
        nursery.cancel_scope.cancel()
    assert [round(seconds) for seconds in wall.called[: len(called)]] == called


async def test_nothing_is_called_without_a_time(autojump_clock: MockClock) -> None:
    wall = Wall()
    daily = Daily(None, UTC, now=wall.now, call=wall.call)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daily.run)
        await trio.sleep(DAY)
        assert wall.called == []
        daily.take(wall.config)
        await trio.sleep(DAY)
        daily.take(None)
        await trio.sleep(DAY)
        nursery.cancel_scope.cancel()
    assert wall.called == [DAY + FIVE_PAST]
