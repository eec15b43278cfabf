"""Reference data over REST: against the simulator, and against answers that it would not give."""

import logging
import random
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from monitor.binance import translate_reference, wire_reference
from monitor.binance.api_line import ApiLine
from monitor.binance.budget import Budget
from monitor.binance.link import Dial
from monitor.binance.reference import AssetPrices, Brackets, ForcedOrders, until_done
from monitor.binance.rest import Rest
from monitor.binance.surroundings import Surroundings
from monitor.core.events import AccountRefused, Bracket, BracketsRead, ForcedOrderSeen, Now
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled
from monitor.quarantine import Quarantine
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.binance.harness import SCENARIO, START, Watch, do, fault, now, until, watched

HOUR = 3600
BRACKETS = "GET /fapi/v1/leverageBracket"
ORDERS = "GET /fapi/v1/forceOrders"
TIER = {"notionalFloor": 0, "notionalCap": 5000, "maintMarginRatio": "0.0065", "cum": "0.0"}
SECOND = {"notionalFloor": 5000, "notionalCap": 9e18, "maintMarginRatio": "0.01", "cum": "17.5"}


def tables(watch: Watch) -> list[tuple[float, str, Bracket]]:
    """When the tiers of which symbol were told, and the first of them."""
    return [
        (at, symbol, tiers[0])
        for at, event in watch.of(BracketsRead)
        if isinstance(event, BracketsRead)
        for symbol, tiers in event.brackets.items()
    ]


# ------------------------------------------------------------------ against the simulator


async def test_tiers_are_read_at_the_start_daily_and_for_each_new_symbol(
    autojump_clock: MockClock,
) -> None:
    base = SCENARIO.replace('"30h"', '"60h"') + (
        '[[price]]\nsymbol = "ETHUSDT"\npoints = [["0s", "3000"]]\n'
    )
    story = do("order", "25s", symbol="ETHUSDT", side="buy", quantity="0.1")
    async with watched(story, base=base, poll_interval=900) as watch:
        await until(23 * HOUR)
        assert watch.exchange.requests[BRACKETS] == 2
        await until(25 * HOUR)
    first, second, *later = tables(watch)
    assert first == (0, "BTCUSDT", Bracket(*map(Decimal, ("0", "50000", "0.004", "0"))))
    assert second[:2] == (900, "ETHUSDT")
    assert sorted((round(at), symbol) for at, symbol, _ in later) == [
        (86400, "BTCUSDT"),
        (87300, "ETHUSDT"),
    ]


async def test_tiers_that_change_are_read_anew_a_little_later(autojump_clock: MockClock) -> None:
    story = (
        '\n[[do]]\nat = "100s"\nwhat = "brackets"\nsymbol = "BTCUSDT"\n'
        'tiers = [["20000", 50, "0.02"], ["90000", 20, "0.05"]]\n'
    )
    async with watched(story) as watch:
        await until(100)
        for _ in range(3):
            watch.account.brackets_changed("BTCUSDT")
        watch.account.brackets_changed("SOLUSDT")
        await until(200)
    assert watch.exchange.requests[BRACKETS] == 2
    at, symbol, tier = tables(watch)[-1]
    assert 110 <= at <= 120
    assert (symbol, tier) == (
        "BTCUSDT",
        Bracket(Decimal(0), Decimal(20000), Decimal("0.02"), Decimal(0)),
    )


async def test_a_liquidation_while_no_socket_stood_is_found_by_asking(
    autojump_clock: MockClock,
) -> None:
    """No stream told it (ccxt #27064, Binance.Net #1296); the next one asks what was missed."""
    story = fault("refuse", "20s", for_="100s", where="private")
    story += fault("drop", "20s", where="private") + do("liquidate", "60s")
    async with watched(story) as watch:
        await until(19)
        assert watch.exchange.requests[ORDERS] == 0
        await until(200)
    ((at, order),) = watch.of(ForcedOrderSeen)
    assert isinstance(order, ForcedOrderSeen)
    assert 120 <= at <= 185
    assert order.polled_at == START + round(at * 1000)
    assert (order.happening, order.symbol, order.position_side) == (
        "liquidation",
        "BTCUSDT",
        "BOTH",
    )
    assert (order.order_side, order.quantity) == ("SELL", Decimal("0.1"))
    assert (order.time, order.seq) == (START + 60_000, 1)
    assert watch.exchange.requests[ORDERS] == 1


@pytest.mark.parametrize(("seen_until", "found"), [(None, 0), (10_000, 1), (-3600_000, 1)])
async def test_what_was_forced_while_the_monitor_was_away_is_asked_for_at_the_start(
    seen_until: int | None, found: int, autojump_clock: MockClock
) -> None:
    """Of an account that an earlier run has watched; of a new one nothing old is news."""
    exchange_story = do("liquidate", "30s")
    known = None if seen_until is None else START + seen_until
    # The account is refused until long after the liquidation: as if nobody had run.
    story = exchange_story + fault("refuse", "0s", for_="5m")
    async with watched(story, seen_until=known) as watch:
        await until(500)
    assert len(watch.of(ForcedOrderSeen)) == found
    assert watch.exchange.requests[ORDERS] == found


async def test_an_earlier_run_s_word_is_by_our_clock(autojump_clock: MockClock) -> None:
    """Ours is five minutes ahead: what it says was seen must not reach beyond what was."""

    def ahead() -> Now:
        return now()._replace(utc=now().utc + 300_000)

    story = do("liquidate", "30s") + fault("refuse", "0s", for_="1m")
    async with watched(story, seen_until=START + 300_000 + 10_000, clock=ahead) as watch:
        await until(200)
    ((_, order),) = watch.of(ForcedOrderSeen)
    assert isinstance(order, ForcedOrderSeen)
    assert (order.at, order.time) == (START + 330_000, START + 30_000)


async def test_a_look_that_is_asked_for_during_another_is_not_forgotten(
    autojump_clock: MockClock,
) -> None:
    asked: list[tuple[float, object]] = []

    class Slow:
        async def get(self, _path: str, params: object, **_: object) -> object:
            asked.append((trio.current_time(), params))
            await trio.sleep(10)
            return []

    orders = ForcedOrders(
        cast("Rest", Slow()),
        line=cast("ApiLine", Ready()),
        around=surroundings(),
        take=lambda _orders, _at: None,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(orders.run)
        await until(1)
        orders.look(START)
        await until(5)
        orders.look(START + 3000)
        await until(100)
        nursery.cancel_scope.cancel()
    looked = {"startTime": START, "limit": 100}
    assert asked == [(1, looked), (11, looked)]


async def test_portfolio_margin_is_refused_in_words(autojump_clock: MockClock) -> None:
    base = SCENARIO.replace(
        "balances =", "permissions = { enablePortfolioMarginTrading = true }\nbalances ="
    )
    async with watched(base=base, sapi="http://sim") as watch:
        await until(15)
    ((_, refused),) = watch.of(AccountRefused)
    assert isinstance(refused, AccountRefused)
    assert "portfolio margin" in refused.why
    async with watched(sapi="http://sim") as ordinary:
        await until(15)
    assert ordinary.of(AccountRefused) == []


async def test_permissions_that_are_not_told_are_asked_for_until_they_are(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    base = SCENARIO.replace(
        "balances =", "permissions = { enablePortfolioMarginTrading = true }\nbalances ="
    )
    story = fault(
        "error",
        "0s",
        for_="100s",
        method="GET /sapi/v1/account/apiRestrictions",
        code=-1000,
        status=503,
    )
    async with watched(story, base=base, sapi="http://sim") as watch:
        await until(15 * 60)
    ((at, _),) = watch.of(AccountRefused)
    assert 100 < at < 300
    said = [line for line in caplog.messages if line.startswith("main key permissions")]
    assert len([line for line in said if "not read yet" in line]) >= 2
    assert said[-1] == "main key permissions: read at last"


async def test_asset_prices_are_read_while_somebody_needs_them(autojump_clock: MockClock) -> None:
    exchange = Exchange(parse_scenario(SCENARIO, "test"))
    told: list[tuple[float, Decimal]] = []

    def take(prices: Mapping[str, Decimal]) -> None:
        told.append((round(trio.current_time()), prices["USDT"]))

    prices = AssetPrices(
        door(exchange.dial), take=take, rng=random.Random(1), log=logging.getLogger("test.link")
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        nursery.start_soon(prices.run)
        await until(1000)
        prices.use("main", multi_assets=True)
        prices.use("other", multi_assets=True)
        await until(1400)
        prices.use("main", multi_assets=False)
        await until(1700)
        prices.use("other", multi_assets=False)
        await until(3000)
        prices.use("main", multi_assets=True)
        await until(3010)
        nursery.cancel_scope.cancel()
    assert [at for at, _ in told] == [1000, 1300, 1600, 3000]
    assert all(abs(price - 1) < Decimal("0.01") for _, price in told)


def door(dial: Dial) -> Rest:
    return Rest("http://sim", name="test", signer=None, dial=dial, now=now, budget=None)


# ------------------------------------------------------------------ answers of our own


class Answers:
    """Stands where a `Rest` does, and answers what it is told to."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[float, object]] = []

    async def get(self, _path: str, params: object = None, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        self.asked.append((round(trio.current_time()), params))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Ready:
    """Stands where an `ApiLine` does."""

    async def ready(self) -> None:
        await trio.lowlevel.checkpoint()

    offset = 0


def surroundings() -> Surroundings:
    return Surroundings(
        name="main",
        dial=trio.open_tcp_stream,  # type: ignore[arg-type]  # nobody dials
        now=now,
        budget=Budget(now=now),
        quarantine=Quarantine(None, redact=str, now=now),
        rng=random.Random(1),
        log=logging.getLogger("test.link"),
        scale=1.0,
    )


def brackets_of(answers: Answers, told: list[dict[str, Any]]) -> Brackets:
    return Brackets(
        cast("Rest", answers),
        line=cast("ApiLine", Ready()),
        around=surroundings(),
        take=lambda tables: told.append(dict(tables)),
    )


async def read_once(
    answers: Answers, symbols: frozenset[str], seconds: float = 1
) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    brackets = brackets_of(answers, told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(brackets.run)
        brackets.hold(symbols)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()
    return told


async def test_a_bare_object_and_numbers_of_any_kind_are_read_exactly(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers({"symbol": "ETHUSDT", "notionalCoef": "1.5", "brackets": [SECOND, TIER]})
    told = await read_once(answers, frozenset({"ETHUSDT"}))
    assert told == [
        {
            "ETHUSDT": (
                Bracket(Decimal(0), Decimal(5000), Decimal("0.0065"), Decimal(0)),
                Bracket(Decimal(5000), Decimal("9e18"), Decimal("0.01"), Decimal("17.5")),
            )
        }
    ]
    assert answers.asked == [(0, {"symbol": "ETHUSDT"})]
    assert caplog.text.count("brackets of this account are adjusted (notionalCoef 1.5") == 1


async def test_many_symbols_are_one_request_and_only_those_held_are_kept(
    autojump_clock: MockClock,
) -> None:
    names = [f"S{number}USDT" for number in range(9)]
    answers = Answers([{"symbol": name, "brackets": [TIER]} for name in names])
    (told,) = await read_once(answers, frozenset(names[:5]))
    assert sorted(told) == names[:5]
    assert answers.asked == [(0, {})]


async def test_a_broken_table_costs_no_other_and_is_said_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    gap = dict(SECOND, notionalFloor=6000)
    rows = [
        {"symbol": "AUSDT", "brackets": [TIER, gap]},
        {"symbol": "BUSDT", "brackets": [TIER]},
        {"symbol": "CUSDT", "brackets": []},
        {"symbol": "DUSDT", "brackets": [dict(TIER, maintMarginRatio="NaN")]},
    ]
    told = await read_once(Answers(rows), frozenset({"AUSDT", "BUSDT", "CUSDT", "DUSDT"}), 5 * HOUR)
    assert [sorted(one) for one in told] == [["BUSDT"]]
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warnings[0] == "main: leverageBracket: the tiers of AUSDT do not join"
    assert len(warnings) == 3


async def test_what_cannot_be_read_is_tried_ever_later_and_said_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [
        ConnectionLost("gone"),
        ExchangeRefused("GET /x", 400, -1016, "maintenance"),
        FrameGarbled("leverageBracket: is not a list"),
    ]
    good = [{"symbol": "BTCUSDT", "brackets": [TIER]}]
    answers = Answers(*faults, *faults, good)
    told = await read_once(answers, frozenset({"BTCUSDT"}), 4 * HOUR)
    assert len(told) == 1
    gaps = [b - a for (a, _), (b, _) in pairwise(answers.asked)]
    assert all(30 * 2**n <= gap <= 60 * 2**n for n, gap in enumerate(gaps))
    assert caplog.text.count("WARNING") == 1
    assert "main brackets: not read yet: gone" in caplog.text


async def test_pauses_grow_to_an_hour(autojump_clock: MockClock) -> None:
    tries: list[float] = []

    async def once() -> None:
        await trio.lowlevel.checkpoint()
        tries.append(trio.current_time())
        raise ConnectionLost("gone")

    with trio.move_on_after(24 * HOUR):
        await until_done(once, what="it", rng=random.Random(1), log=logging.getLogger("test.link"))
    gaps = [b - a for a, b in pairwise(tries)]
    assert 1800 <= max(gaps) <= 3600
    assert len(tries) < 60


def test_asset_indexes_name_assets() -> None:
    rows = wire_reference.read_asset_indexes(
        [
            {"symbol": "ADAUSD", "index": "1.92957370", "time": 1635740268004},
            {"symbol": "USDTUSD", "index": "0.99987691"},
            {"symbol": "BADUSD", "index": "0"},
            {"symbol": "ODD", "index": "1"},
        ]
    )
    assert translate_reference.asset_prices(rows) == {
        "ADA": Decimal("1.92957370"),
        "USDT": Decimal("0.99987691"),
    }
    with pytest.raises(FrameGarbled):
        wire_reference.read_asset_indexes([])


def test_forced_orders_are_told_by_their_ids_the_oldest_first() -> None:
    def row(number: int, client: str, **more: object) -> dict[str, object]:
        return {
            "orderId": number,
            "symbol": "BTCUSDT",
            "clientOrderId": client,
            "price": "10871.09",
            "avgPrice": "10913.21000",
            "origQty": "0.001",
            "side": "SELL",
            "positionSide": "BOTH",
            "time": 1596107620044 + number,
            "updateTime": 1596107620087 + number,
        } | more

    rows = wire_reference.read_forced_orders(
        [
            row(3, "adl_autoclose", side="BUY", positionSide="SHORT", avgPrice="0"),
            row(1, "autoclose-1596107620040000020"),
            row(2, "settlement_autoclose-1"),
            row(4, "autoclose-2", symbol="BTCUSD_PERP"),
        ]
    )
    told = translate_reference.forced_orders(
        rows, account="main", offset=100, seq=7, polled_at=1596107700000
    )
    common = {"account": "main", "quantity": Decimal("0.001"), "polled_at": 1596107700000}
    assert told == [
        ForcedOrderSeen(
            at=1596107620087 + 1 - 100, time=1596107620045, seq=7, happening="liquidation",
            symbol="BTCUSDT", position_side="BOTH", order_id=1, order_side="SELL",
            price=Decimal("10913.21"), **common,  # type: ignore[arg-type]  # one dict, three types
        ),
        ForcedOrderSeen(
            at=1596107620087 + 3 - 100, time=1596107620047, seq=8, happening="adl",
            symbol="BTCUSDT", position_side="SHORT", order_id=3, order_side="BUY",
            price=Decimal("10871.09"), **common,  # type: ignore[arg-type]  # likewise
        ),
    ]  # fmt: skip
