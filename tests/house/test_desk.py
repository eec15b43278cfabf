"""What a running service answers, and what follows from it on the phone."""

from pathlib import Path

from trio.testing import MockClock

from monitor.app.desk import Desk
from tests.house.town import Town

# Below 8 % from liquidation from 120 s on, until it is well again at 400 s.
FALL = """
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["100s", "60000"], ["120s", "58000"], ["400s", "58000"],
          ["420s", "60500"]]
"""
FACTS = {
    "rule": "distance",
    "account": "main",
    "symbol": "BTCUSDT",
    "position_side": "BOTH",
    "side": "long",
    "asset": None,
    "severity": "warning",
    "highest": "warning",
}


async def test_what_stands(autojump_clock: MockClock, tmp_path: Path) -> None:
    town = Town(tmp_path, FALL)
    async with town.exists(), town.life() as service:
        desk = Desk(service)
        await town.until(50)
        assert await desk.answer({"do": "alerts"}) == {
            "running": True,
            "alerts": [],
            "silences": [],
            "waiting": {"phone": 0},
            "failing": [],
        }
        await town.until(200)
        (alert,) = (await desk.answer({"do": "alerts"}))["alerts"]
    told = {name: alert[name] for name in FACTS}
    assert told == FACTS
    assert alert["since"].startswith("2026-01-02T03:01:5")
    assert (alert["told"], alert["silences"]) == ({"phone": "warning"}, [])
    assert alert["numbers"].startswith("liquidation distance 6.5")


async def test_a_silence_keeps_the_phone_quiet_and_its_end_does_not(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, FALL)
    async with town.exists(), town.life() as service:
        desk = Desk(service)
        await town.until(50)
        answer = await desk.answer(
            {"do": "silence", "lasts": 150_000, "rules": [], "accounts": [], "symbols": ["BTC*"]}
        )
        assert answer == {
            "silence": {
                "number": 1,
                "begins": "2026-01-02T03:00:50.000Z",
                "ends": "2026-01-02T03:03:20.000Z",
                "rules": [],
                "accounts": [],
                "symbols": ["BTC*"],
                "options": "--symbol 'BTC*'",
            },
            "covers": [],
            "kept": True,
        }
        await town.until(190)
        assert town.sent == []
        standing = await desk.answer({"do": "alerts"})
        assert [one["silences"] for one in standing["alerts"]] == [[1]]
        assert [one["number"] for one in standing["silences"]] == [1]
        await town.until(250)
    assert town.sent == [(200.0, "phone", "WARNING: BTCUSDT long (main): distance")]


async def test_lifted_by_hand(autojump_clock: MockClock, tmp_path: Path) -> None:
    town = Town(tmp_path, FALL)
    async with town.exists(), town.life() as service:
        desk = Desk(service)
        await town.until(200)
        begun = await desk.answer({"do": "silence", "lasts": 3_600_000})
        assert [one["rule"] for one in begun["covers"]] == ["distance"]
        await town.until(450)
        assert [title for _, _, title in town.sent] == ["WARNING: BTCUSDT long (main): distance"]
        lifted = await desk.answer({"do": "unsilence", "number": 1})
        assert lifted["silence"]["ends"] == "2026-01-02T03:07:30.000Z"
        assert await desk.answer({"do": "unsilence", "number": 1}) == {"none": 1, "standing": []}
        await town.until(451)
    assert [(at, title) for at, _, title in town.sent[1:]] == [
        (450.0, "RESOLVED: BTCUSDT long (main): distance")
    ]


async def test_a_silence_outlives_a_crash(autojump_clock: MockClock, tmp_path: Path) -> None:
    town = Town(tmp_path, FALL)
    async with town.exists():
        async with town.life(crash=True) as service:
            await town.until(50)
            await Desk(service).answer({"do": "silence", "lasts": 150_000})
        async with town.life() as service:
            await town.until(190)
            assert town.sent == []
            await town.until(250)
    assert town.sent == [(200.0, "phone", "WARNING: BTCUSDT long (main): distance")]


async def test_questions_that_make_no_sense(autojump_clock: MockClock, tmp_path: Path) -> None:
    town = Town(tmp_path, FALL)
    unknown = {"error": "this service does not know what is asked; are both of one version?"}
    senseless = {"error": "a silence needs a time it lasts, and lists of globs"}
    async with town.exists(), town.life() as service:
        desk = Desk(service)
        for question in (
            {},
            {"do": "trade"},
            {"do": "unsilence", "number": "1"},
            {"do": "unsilence", "number": True},
        ):
            assert await desk.answer(question) == unknown
        for more in ({}, {"lasts": 0}, {"lasts": True}, {"lasts": 5, "rules": "x"}):
            assert await desk.answer({"do": "silence", **more}) == senseless
        service.stop("the end")
        await town.until(30)
        ending = {"error": "the service is ending; ask again when it has"}
        assert await desk.answer({"do": "silence", "lasts": 5}) == ending
        assert await desk.answer({"do": "unsilence", "number": 1}) == ending
