"""What the log hears of the accounts while the service runs."""

from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.house.town import Town

CALM = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"]]\n'
HOLDS = "main: 1 position, nearest BTCUSDT long 9.6 % from liquidation"


def of_main(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What was said of the account, and how loudly."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.getMessage().startswith("main: ") and record.module == "bulletin"
    ]


async def test_a_quiet_account_is_named_every_five_minutes(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM)
    async with town.exists(), town.life():
        await town.until(910)
    first, *others = of_main(caplog)
    assert first == ("INFO", HOLDS)
    assert len(others) == 3
    for level, text in others:
        assert level == "INFO"
        assert text.startswith(f"{HOLDS}, numbers ")
        assert text.endswith(" s old")


async def test_what_is_lost_from_sight_and_seen_again_is_said_at_once(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = (
        '[[fault]]\nat = "60s"\nwhat = "error"\nfor = "60s"\n'
        '[[fault]]\nat = "200s"\nwhat = "error"\nfor = "150s"\n'
    )
    town = Town(tmp_path, CALM + faults)
    async with town.exists(), town.life():
        await town.until(400)
    lines = of_main(caplog)
    assert [(level, text.partition(":")[2][:18]) for level, text in lines] == [
        ("INFO", " 1 position, neare"),
        ("WARNING", " lost from sight: "),
        ("INFO", " seen again after "),
        ("WARNING", " lost from sight: "),
        ("INFO", " not seen for 80 s"),
        ("INFO", " seen again after "),
    ]
    assert lines[1][1].startswith("main: lost from sight: no complete poll for 3")
    assert lines[2][1].endswith(" s: 1 position, nearest BTCUSDT long 9.6 % from liquidation")
    assert lines[4][1] == "main: not seen for 80 s: no complete poll for 110 s"


async def test_an_account_that_is_not_seen_from_the_start_is_said_to_be_so_once(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refuse = '[[fault]]\nat = "0s"\nwhat = "refuse"\nfor = "100s"\n'
    town = Town(tmp_path, CALM + refuse)
    async with town.exists(), town.life():
        await town.until(200)
    lines = [text for _, text in of_main(caplog)]
    assert len(lines) == 2
    assert lines[0].startswith("main: cannot be watched yet: ")
    assert lines[1] == HOLDS
