"""Charts of the whole service in virtual time: behind their texts, and in nobody's way."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from monitor.notify import Sent
from tests.house.town import Town

CRASH = """
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["10m", "60000"], ["12m", "55500"], ["13m", "55500"], ["14m", "53500"]]
"""

CHANNELS = """
[[channel]]
name = "phone"
url = "json://127.0.0.1:9"
group_wait = "0s"
charts = "dark"
[[channel]]
name = "desk"
url = "json://127.0.0.1:9"
group_wait = "0s"
"""


def _town(folder: Path, takes: float = 0.1) -> Town:
    town = Town(folder, CRASH, channels=CHANNELS)

    async def picture(channel: str, caption: str, png: bytes) -> Sent:
        assert png.startswith(b"\x89PNG")
        town.sent.append((round(town.seconds, 1), channel, f"picture: {caption}"))
        await trio.sleep(takes)
        return Sent("sent")

    town.picture = picture
    return town


PICTURE = "picture: BTCUSDT long (main): the last hour"
CRITICAL = "CRITICAL: BTCUSDT long (main): distance"
LIQUIDATION = "CRITICAL: BTCUSDT long (main): liquidation"


def told(town: Town, channel: str) -> list[tuple[float, str]]:
    return [(at, title) for at, name, title in town.sent if name == channel]


async def test_a_critical_has_a_picture_behind_its_text_where_that_is_wanted(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = _town(tmp_path)
    async with town.exists(), town.life():
        await town.until(1_000)
    texts = [
        (629, "WARNING: BTCUSDT long (main): distance"),
        (694, CRITICAL),
        (817, "CRITICAL: BTCUSDT long (main): margin call"),
        (819, LIQUIDATION),
        (819, "RESOLVED: BTCUSDT long (main): distance"),
    ]
    assert told(town, "desk") == texts
    assert told(town, "phone") == [
        *texts[:2],
        (694, PICTURE),
        texts[2],
        (817, PICTURE),
        *texts[3:],
        (820, PICTURE),  # three seconds after the last, and of a position that is gone
    ]


async def test_a_picture_that_hangs_delays_no_text(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = _town(tmp_path, takes=1_000)
    async with town.exists(), town.life():
        await town.until(1_000)
    pictures = [at for at, title in told(town, "phone") if title == PICTURE]
    assert pictures == [694, 817, 877], "the last one waited for the one before, and was in time"
    assert [one for one in told(town, "phone") if one[1] != PICTURE] == told(town, "desk")


@pytest.mark.parametrize("crash", [694.05, 700.0])
async def test_a_restart_sends_no_picture_again(
    autojump_clock: MockClock, tmp_path: Path, crash: float
) -> None:
    town = _town(tmp_path)
    async with town.exists():
        async with town.life(crash=True):
            await town.until(crash)
        async with town.life():
            await town.until(780)
    assert [title for _, title in told(town, "phone")].count(PICTURE) == 1


async def test_a_text_that_gets_through_after_a_restart_has_no_picture(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = _town(tmp_path)
    town.answers = lambda at, *_: Sent("sent" if at < 650 or at > 705 else "refused")
    async with town.exists():
        async with town.life(crash=True):
            await town.until(700)
        async with town.life():
            await town.until(780)
    titles = [title for _, title in told(town, "phone")]
    assert CRITICAL in titles
    assert PICTURE not in titles
