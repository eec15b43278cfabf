"""What was promised to whoever leaves this running overnight.

Every story is two hours long at most, in virtual time. The long stands at 10x: 600 USDT behind
0.1 BTC bought at 60,000; it is liquidated at 54,217. The rule warns below a distance of 8 %.
"""

from decimal import Decimal
from pathlib import Path

import pytest
from trio.testing import MockClock

from monitor.core.message import Message
from monitor.notify import Sent
from tests.house.town import Town

FALLING = """
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["2m", "57000"], ["20m", "57000"], ["22m", "62000"]]
"""
"""Below 8 % at 43 s, back above 8.8 % at 1,259 s."""

CALM = """
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"]]
"""


def fault(what: str, at: str, length: str, *where: str, more: str = "") -> str:
    """Word the same fault for several places."""
    return "".join(
        f'\n[[fault]]\nat = "{at}"\nfor = "{length}"\nwhat = "{what}"\nwhere = "{place}"\n{more}\n'
        for place in where
    )


def deed(what: str, at: str, more: str = "") -> str:
    """Word something that happens to the account."""
    return f'\n[[do]]\nat = "{at}"\nwhat = "{what}"\naccount = "main"\n{more}\n'


async def test_an_alert_fires_and_resolves_once(autojump_clock: MockClock, tmp_path: Path) -> None:
    town = Town(tmp_path, FALLING)
    async with town.exists(), town.life():
        await town.until(1500)

    assert town.story == [
        "43.0 fired warning distance",
        "1259.0 resolved warning distance recovered",
    ]
    assert town.sent == [
        (43.0, "phone", "WARNING: BTCUSDT long (main): distance"),
        (1259.0, "phone", "RESOLVED: BTCUSDT long (main): distance"),
    ]


async def test_a_lost_account_update_is_found_by_the_next_poll(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """And the stream that lost it is distrusted and rebuilt, five seconds later."""
    town = Town(
        tmp_path,
        CALM
        + deed("order", "63s", 'symbol = "BTCUSDT"\nside = "buy"\nquantity = "0.1"')
        + fault("lose", "60s", "10s", "private", more='event = "*"'),
    )
    async with town.exists(), town.life() as service:
        await town.until(69)
        holding = service.engine.portfolio.accounts["main"].holdings["BTCUSDT", "BOTH"]
        assert holding.position.quantity == Decimal("0.1")
        await town.until(72)
        assert holding.position.quantity == Decimal("0.2")
        await town.until(300)

    assert town.story == ["75.0 happened critical stream_lost"]
    assert town.exchange.requests["userDataStream.start"] == 2


async def test_a_silent_exchange_resolves_nothing_and_is_told(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Everything stalls for ten minutes while an alert fires: sockets open, no frame, no answer."""
    town = Town(tmp_path, FALLING + fault("stall", "5m", "10m", "api", "private", "market"))
    async with town.exists(), town.life():
        await town.until(895)
        assert town.story == [
            "43.0 fired warning distance",
            "330.0 fired warning blind",
            "345.0 happened critical stream_lost",
        ]
        await town.until(1500)

    *_, seen_again, distance = town.story
    at, _, what = seen_again.partition(" ")
    assert 900 <= float(at) <= 920  # when the next attempt to connect comes, which is chance
    assert what == "resolved warning blind recovered"
    assert distance == "1259.0 resolved warning distance recovered"
    assert len(town.story) == 5


async def test_a_dead_stream_is_told_while_polls_go_on_seeing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The position is closed at 300 s; two polls see it, as no event can."""
    town = Town(
        tmp_path,
        FALLING
        + fault("stall", "10s", "1h", "private")
        + deed("order", "299s", 'symbol = "BTCUSDT"\nside = "sell"\nquantity = "0.1"'),
    )
    async with town.exists(), town.life():
        await town.until(1800)

    assert town.story == [
        "43.0 fired warning distance",
        "105.0 happened critical stream_lost",
        "301.0 resolved warning distance position_closed",
    ]


async def test_empty_poll_answers_are_no_all_clear(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Polls list nothing for two minutes, though their balances still show a position.

    The first of them is asked again a second later, and the regular ones count from that one.
    """
    town = Town(tmp_path, FALLING + fault("empty", "5m", "2m", "api"))
    async with town.exists(), town.life():
        await town.until(1500)

    assert town.story == [
        "43.0 fired warning distance",
        "330.0 fired warning blind",
        "421.0 resolved warning blind recovered",
        "1259.0 resolved warning distance recovered",
    ]


async def test_an_expired_key_costs_no_event(autojump_clock: MockClock, tmp_path: Path) -> None:
    town = Town(
        tmp_path,
        CALM
        + deed("expire_key", "60s")
        + deed("order", "83.5s", 'symbol = "BTCUSDT"\nside = "buy"\nquantity = "0.1"'),
    )
    async with town.exists(), town.life() as service:
        await town.until(84)
        holding = service.engine.portfolio.accounts["main"].holdings["BTCUSDT", "BOTH"]
        assert holding.position.quantity == Decimal("0.2")
        await town.until(300)

    assert town.story == []
    assert [kind for _, _, kind in town.exchange.sent] == [
        "listenKeyExpired",
        "TRADE_LITE",
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
    ]


async def test_a_restart_in_mid_alert_announces_nothing_twice(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, FALLING)
    async with town.exists():
        async with town.life(crash=True):
            await town.until(60)
        await town.until(90)
        async with town.life():
            await town.until(1500)

    assert town.story == [
        "43.0 fired warning distance",
        "1259.0 resolved warning distance recovered",
    ]
    assert [number.number for number in town.heard] == [1, 2]


async def test_a_position_closed_while_we_were_away_ends_its_alert(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Missing from one poll proves nothing; missing from two does."""
    town = Town(
        tmp_path,
        FALLING + deed("order", "80s", 'symbol = "BTCUSDT"\nside = "sell"\nquantity = "0.1"'),
    )
    async with town.exists():
        async with town.life(crash=True):
            await town.until(60)
        await town.until(90)
        async with town.life():
            await town.until(200)

    assert town.story == [
        "43.0 fired warning distance",
        "91.0 resolved warning distance position_closed",
    ]


DELAYED = """
[[rule]]
name = "distance"
warning = "liquidation_distance < 8%"
for = "1m"
"""


async def test_a_restart_in_mid_for_keeps_the_time_that_passed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Rising since 43 s; down from 60 to 90 s, which counts: on at 103 s."""
    town = Town(tmp_path, FALLING, rules=DELAYED)
    async with town.exists():
        async with town.life(crash=True):
            await town.until(60)
        await town.until(90)
        async with town.life():
            await town.until(200)

    assert town.story == ["103.0 fired warning distance"]


async def test_a_stop_sends_what_waits(autojump_clock: MockClock, tmp_path: Path) -> None:
    waiting = '[[channel]]\nname = "phone"\nurl = "json://127.0.0.1:9"\ngroup_wait = "5m"\n'
    town = Town(tmp_path, FALLING, channels=waiting)
    async with town.exists():
        async with town.life():
            await town.until(60)
            assert town.sent == []
        stopped = town.seconds

    assert town.sent == [(60.0, "phone", "WARNING: BTCUSDT long (main): distance")]
    assert stopped < 70


async def test_what_a_stop_could_not_send_the_next_life_sends_with_its_mark(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    bodies: list[str] = []

    def answers(seconds: float, channel: str, message: Message) -> Sent:
        bodies.append(message.body.splitlines()[-1])
        return Sent("unknown", "no answer") if seconds < 80 else Sent("sent")

    town = Town(tmp_path, FALLING, answers=answers)
    async with town.exists():
        async with town.life():
            await town.until(44)
        await town.until(100)
        async with town.life():
            await town.until(120)

    assert [(channel, title) for _, channel, title in town.sent] == [
        ("phone", "WARNING: BTCUSDT long (main): distance")
    ]
    marks = [body.rpartition(" · ")[2] for body in bodies]
    assert marks == [
        "numbers 3.0 s old",
        *(f"(attempt {number})" for number in range(2, len(bodies) + 1)),
    ]
    assert len(bodies) >= 3


async def test_a_rejected_key_is_told_once_and_blindness_follows(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, FALLING + deed("revoke_key", "5m"))
    async with town.exists(), town.life():
        await town.until(3600)

    assert town.story == [
        "43.0 fired warning distance",
        "300.0 happened critical key_rejected",
        "330.0 fired warning blind",
    ]


async def test_garbled_and_huge_frames_are_survived(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Half a minute of broken JSON on every socket, and a frame of 2 MiB on each."""
    town = Town(
        tmp_path,
        FALLING
        + fault("garble", "100s", "30s", "private", "market")
        + '[[fault]]\nat = "200s"\nwhat = "huge"\nwhere = "private"\n'
        + '[[fault]]\nat = "220s"\nwhat = "huge"\nwhere = "market"\n'
        + '[[fault]]\nat = "240s"\nwhat = "huge"\nwhere = "api"\n',
    )
    async with town.exists(), town.life():
        await town.until(1500)

    assert town.story == [
        "43.0 fired warning distance",
        "1259.0 resolved warning distance recovered",
    ]
    assert (tmp_path / "data" / "quarantine.jsonl").stat().st_mode & 0o777 == 0o600


async def test_drops_and_refusals_are_survived(autojump_clock: MockClock, tmp_path: Path) -> None:
    places = ("api", "private", "market")
    drops = "".join(
        f'[[fault]]\nat = "{60 + 20 * n}s"\nwhat = "drop"\nwhere = "{place}"\n'
        for n, place in enumerate(places * 3)
    )
    town = Town(tmp_path, FALLING + drops + fault("refuse", "300s", "20s", *places))
    async with town.exists(), town.life():
        await town.until(1500)

    assert town.story == [
        "43.0 fired warning distance",
        "1259.0 resolved warning distance recovered",
    ]


async def test_after_a_sleep_everything_is_asked_anew(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """An hour asleep: nothing resolves on old numbers, and that nobody watched is told."""
    town = Town(tmp_path, FALLING)
    async with town.exists(), town.life() as service:
        await town.until(60)
        asked = town.exchange.requests["time"]
        town.slept = 3_600_000
        await town.until(61)
        account = service.engine.portfolio.accounts["main"]
        assert account.stale_since is not None
        await town.until(70)
        assert account.stale_since is None
        assert town.exchange.requests["time"] == asked + 1
        await town.until(1500)

    assert [line.partition(" ")[2] for line in town.story] == [
        "fired warning distance",
        "fired warning blind",
        "resolved warning blind recovered",
        "resolved warning distance recovered",
    ]


async def test_within_five_seconds_the_log_says_what_is_held_or_why_not(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM + fault("refuse", "0s", "20s", "api"))
    async with town.exists(), town.life():
        await town.until(5.5)
        assert said(caplog, "cannot be watched yet") == [
            "main: cannot be watched yet: main API (127.0.0.1): 127.0.0.1: refused; trying on"
        ]
        await town.until(60)

    assert said(caplog, "from liquidation") == [
        "main: 1 position, nearest BTCUSDT long 9.6 % from liquidation"
    ]


async def test_a_restart_after_ten_minutes_down_is_no_blindness(
    autojump_clock: MockClock, tmp_path: Path, root: Path
) -> None:
    """How long nobody saw counts across restarts, but the first poll is quicker than the rule."""
    town = Town(tmp_path, CALM, rules=(root / "rules" / "watch.toml").read_text())
    async with town.exists():
        async with town.life(crash=True):
            await town.until(60)
        await town.until(660)
        async with town.life():
            await town.until(700)

    assert town.story == []


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    """The lines of the service's log that hold some words."""
    lines = [record.getMessage() for record in caplog.records if record.name == "marginwatch"]
    return [line for line in lines if words in line]
