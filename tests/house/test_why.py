"""Why an alert stands, or does not, while a service runs: what it answers, and in words."""

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from monitor.app.desk import Desk
from monitor.cli.because import as_text
from tests.house.town import START, Town

# Below 8 % from liquidation from 111 s on, until it is well again at 412 s.
FALL = """
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["100s", "60000"], ["120s", "58000"], ["400s", "58000"],
          ["420s", "60500"]]
"""
RULES = """
[[rule]]
name = "distance"
info = "liquidation_distance < 9%"
warning = 'liquidation_distance < 8% and not side == "short"'
critical = "liquidation_distance < 4%"
for = { warning = "30s" }
keep_firing_for = { warning = "1m" }
hysteresis = "10%"
repeat = "1h"
[[rule]]
name = "blind"
warning = "stale_for > 0s"
for = "10s"
repeat = "never"
[[rule]]
name = "pool"
warning = "margin_ratio > 10%"
[[rule]]
name = "forced"
on = ["liquidation"]
severity = "critical"
[[rule]]
name = "ether"
warning = "roi < -30%"
symbols = ["ETH*"]
"""
CHANNELS = """
[[channel]]
name = "phone"
url = "json://127.0.0.1:9"
min_severity = "warning"
group_wait = "0s"
[[channel]]
name = "night"
url = "json://127.0.0.1:9"
rules = ["pool"]
quiet_hours = { from = "02:00", to = "07:00" }
"""


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path, FALL, rules=RULES, channels=CHANNELS)


async def ask(town: Town, rule: str, target: str) -> dict[str, Any]:
    assert town.service is not None
    return await Desk(town.service).answer({"do": "why", "rule": rule, "target": target})


async def text(town: Town, rule: str, target: str) -> list[str]:
    answer = await ask(town, rule, target)
    return list(as_text(answer, [], START + round(town.seconds * 1000), UTC))


async def test_a_rule_that_does_not_fire(autojump_clock: MockClock, town: Town) -> None:
    async with town.exists(), town.life():
        await town.until(50)
        assert await text(town, "distance", "main/BTCUSDT") == [
            "distance on main/BTCUSDT/long: does not fire",
            "as of 2026-01-02 03:00:50 UTC",
            "mark price BTCUSDT 60,000",
            "",
            "NUMBER                      GRADE  AGE   FROM",
            "liquidation distance 9.6 %  fresh  10 s  poll and stream, carried on since the poll",
            "side long                   fresh",
            "",
            "critical: liquidation_distance < 4%: false",
            "  off",
            "  fires at BTCUSDT ≤ 56,475 (-5.9 %)",
            "",
            'warning: liquidation_distance < 8% and not side == "short": false',
            "    liquidation_distance < 8%  false",
            '    side != "short"            true',
            "  off",
            "  fires at BTCUSDT ≤ 58,931 (-1.8 %)",
            "",
            "info: liquidation_distance < 9%: false",
            "  off",
            "  fires at BTCUSDT ≤ 59,578 (-0.7 %)",
            "",
            "no silence covers it",
            "",
            "CHANNEL  HEARD LAST  TAKES",
            "phone    nothing     warning, critical; not info: its min_severity is warning",
            "night    nothing     nothing: its rules leave this one out",
            "",
            "nothing was told of it",
        ]


async def test_delays_that_run(autojump_clock: MockClock, town: Town) -> None:
    async with town.exists(), town.life():
        await town.until(125)
        said = await text(town, "distance", "main/BTCUSDT/long")
        assert said[0] == "distance on main/BTCUSDT/long: INFO since 03:01:45, for 20 s"
        assert said[13:18] == [
            "    liquidation_distance < 8%  true",
            '    side != "short"            true',
            "  true since 03:01:51: fires in 16 s if it still holds (for 30 s)",
            "  ends beyond its dead band: liquidation_distance < 8% → 8.8 %",
            "  clears at BTCUSDT ≥ 59,449 (+2.5 %)",
        ]
        await town.until(200)
        said = await text(town, "distance", "main/BTCUSDT/long")
        assert said[0] == "distance on main/BTCUSDT/long: WARNING since 03:01:45, for 95 s"
        assert "reminder at 04:02:21, in 59 min" in said
        assert (
            "phone    warning     warning, critical; not info: its min_severity is warning" in said
        )
        await town.until(415)
        said = await text(town, "distance", "main/BTCUSDT/long")
        assert said[15:17] == [
            "  no longer true since 03:06:52: clears in 57 s if that lasts (keep_firing_for 60 s)",
            "  ends beyond its dead band: liquidation_distance < 8% → 8.8 %",
        ]
        assert said[21:23] == [
            "  inside its dead band: liquidation_distance < 9% → 9.9 %",
            "  is true again at BTCUSDT ≤ 59,578 (-0.3 %)",
        ]


NIGHT = """
[[rule]]
name = "room"
warning = "margin_room < 65%"
for = "1m"
[[rule]]
name = "loss"
info = "unrealized_pnl < -1000"
warning = "roi < -30%"
keep_firing_for = "2m"
"""


async def test_delays_while_nobody_can_tell(autojump_clock: MockClock, tmp_path: Path) -> None:
    stall = '[[fault]]\nat = "%s"\nfor = "60s"\nwhat = "stall"\nwhere = "%s"\n'
    doors = ("api", "private", "market")
    faults = "".join(stall % (at, where) for at in ("130s", "425s") for where in doors)
    town = Town(tmp_path, FALL + faults, rules=NIGHT, channels=CHANNELS)
    async with town.exists(), town.life():
        await town.until(165)
        said = await text(town, "room", "main/BTCUSDT")
        assert said[0] == "room on main/BTCUSDT/long: not yet warning: its delay runs"
        rising = said[said.index("warning: margin_room < 65%: unknown") + 1]
        assert rising.startswith("  rising since 03:01:5")
        assert rising.endswith("at the earliest, fires when it is seen true (for 60 s)")
        await town.until(200)
        said = await text(town, "loss", "main/BTCUSDT")
        assert "info: unrealized_pnl < -1000: false, but a higher level is true" in said
        await town.until(460)
        said = await text(town, "loss", "main/BTCUSDT")
        waits = [line for line in said if "no longer true, but nobody can tell now: " in line]
        assert len(waits) == 2
        assert waits[0].endswith(" of keep_firing_for 2 min are still to pass")


async def test_as_facts(autojump_clock: MockClock, town: Town) -> None:
    async with town.exists(), town.life():
        await town.until(125)
        answer = await ask(town, "distance", "main/BTCUSDT")
    level = answer["levels"][1]
    assert {name: level[name] for name in ("severity", "holds", "raw", "relaxed", "switch")} == {
        "severity": "warning",
        "holds": "true",
        "raw": "true",
        "relaxed": "true",
        "switch": {
            "state": "rising",
            "since": "2026-01-02T03:01:51.000Z",
            "for": 30,
            "keep_firing_for": 60,
            "left": 16,
            "counts": True,
        },
    }
    assert level["parts"][0] == {
        "text": "liquidation_distance < 8%",
        "raw": "true",
        "relaxed": "true",
        "dead_band": "8.8 %",
    }
    assert level["triggers"][0]["above"] == "59449"
    assert answer["values"]["liquidation_distance"]["from"] == ["poll", "stream"]
    assert answer["channels"][0] == {
        "name": "phone",
        "told": None,
        "takes": {"info": "its min_severity is warning", "warning": None, "critical": None},
        "waiting": 0,
        "failing": False,
        "quiet_until": None,
    }
    assert answer["channels"][1]["quiet_until"] == "2026-01-02T07:00:00.000Z"


async def test_a_silence_and_other_scopes(autojump_clock: MockClock, town: Town) -> None:
    async with town.exists(), town.life() as service:
        await Desk(service).answer({"do": "silence", "lasts": 600_000, "rules": ["dist*"]})
        await town.until(200)
        said = await text(town, "distance", "main/BTCUSDT")
        assert "silence 1 until 03:10:00: nobody is told (--rule 'dist*')" in said
        assert "no reminder is due: a silence covers it" in said
        assert (await text(town, "blind", "main"))[:8] == [
            "blind on main: does not fire",
            "as of 2026-01-02 03:03:20 UTC",
            "",
            "NUMBER           GRADE  AGE  FROM",
            "stale for 0.0 s  fresh",
            "",
            "warning: stale_for > 0s: false",
            "  off",
        ]
        assert (await text(town, "pool", "main/USDT"))[7:10] == [
            "warning: margin_ratio > 10%: false",
            "  off",
            "  no price decides whether it fires",
        ]
        assert (await text(town, "pool", "main/USDT"))[-3] == (
            "night    nothing     warning  quiet until 07:00:00 for what is not critical"
        )
        assert (await text(town, "forced", "main/BTCUSDT"))[0] == (
            "forced on main/BTCUSDT/long: fires when this happens: liquidation"
        )
        assert (await text(town, "forced", "main/XRPUSDT"))[0] == (
            "forced on main/XRPUSDT: fires when this happens: liquidation"
        )
        said = await text(town, "ether", "main/BTCUSDT")
        assert said[2] == "not judged now: the rule's symbols leave BTCUSDT out"
        assert "warning: roi < -30%: true" in said


async def test_doubt(autojump_clock: MockClock, tmp_path: Path) -> None:
    stall = '[[fault]]\nat = "150s"\nfor = "20m"\nwhat = "stall"\nwhere = "%s"\n'
    faults = "".join(stall % where for where in ("api", "private", "market"))
    town = Town(tmp_path, FALL + faults, rules=RULES, channels=CHANNELS)
    async with town.exists(), town.life():
        await town.until(215)
        said = await text(town, "distance", "main/BTCUSDT")
        assert said[0] == "distance on main/BTCUSDT/long: WARNING since 03:01:45, for 110 s"
        assert said[2].startswith("main is not fresh: no complete poll for ")
        assert said[3] == "numbers that are not fresh may raise an alarm, never end one"
        assert any("  aged   " in line for line in said)
        assert said.count("  on: it cannot be seen false, so it stays on") == 2
        assert "  off: nobody can tell, so it is not seen true" in said
        assert "  fires at BTCUSDT ≤ 56,475 (-2.6 %)" in said
        assert not any("is true again" in line for line in said)
        assert (await text(town, "blind", "main"))[0].startswith("blind on main: WARNING since ")


async def test_what_is_not_there(autojump_clock: MockClock, town: Town) -> None:
    async with town.exists(), town.life() as service:
        await town.until(30)
        for rule, target, unknown in (
            (
                "distanc",
                "main/BTCUSDT",
                ("rule", "no rule is called distanc; did you mean distance?"),
            ),
            (
                "distance",
                "mian/BTCUSDT",
                ("account", "no account is called mian; did you mean main?"),
            ),
            (
                "distance",
                "main/BTCUSD",
                ("target", "main has no BTCUSD now; did you mean main/BTCUSDT/long?"),
            ),
            (
                "marginwatch",
                "main",
                (
                    "target",
                    (
                        "the rule marginwatch is about the program as a whole: "
                        "`marginwatch history` lists what it told"
                    ),
                ),
            ),
        ):
            answer = await ask(town, rule, target)
            found = answer["unknown"]
            assert (found["what"], found["problem"]) == unknown
        answer = await Desk(service).answer({"do": "why", "rule": "distance", "target": "main//"})
        assert answer == {"error": "a target is ACCOUNT, ACCOUNT/ASSET or ACCOUNT/SYMBOL[/SIDE]"}


async def test_an_alert_of_an_earlier_life_and_asking_changes_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    async with town.exists():
        async with town.life(crash=True):
            await town.until(200)
        before = list(town.story)
        async with town.life() as service:
            said = await text(town, "distance", "main/BTCUSDT/long")
            assert said[0].startswith("distance on main/BTCUSDT/long: WARNING since 03:01:45")
            assert said[2].startswith("not judged now: no poll of main has been complete")
            await town.until(220)
            records = [
                watch.alert.record(service.now())
                for watch in service.engine.watches()
                if watch.alert
            ]
            account = service.engine.portfolio.accounts["main"]
            marks = [(one.mark_price, one.mark_at) for one in account.holdings.values()]
            for _ in range(3):
                await ask(town, "distance", "main/BTCUSDT")
            assert marks == [(one.mark_price, one.mark_at) for one in account.holdings.values()]
            assert records == [
                watch.alert.record(service.now())
                for watch in service.engine.watches()
                if watch.alert
            ]
        assert town.story == before


async def test_a_bug_in_the_answer_does_not_end_the_watch(
    autojump_clock: MockClock,
    town: Town,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("that was never to happen")

    async with town.exists(), town.life():
        await town.until(30)
        monkeypatch.setattr("monitor.app.desk.triggers_of", broken)
        answer = await ask(town, "distance", "main/BTCUSDT")
        assert answer == {
            "error": "a bug keeps the service from an answer: see its log, and report it"
        }
        assert "a bug keeps `why` from an answer, please report it" in caplog.messages
        await town.until(150)
    assert [at for at, _, _ in town.sent] == [141.0]
