"""One look at an account, in virtual time against the simulator."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from monitor.binance.budget import Budget
from monitor.binance.glance import Glance, Seen
from monitor.binance.permissions import Permissions
from monitor.binance.signing import Signer
from monitor.core.events import SettingRow
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.binance.harness import KEY, SCENARIO, SECRET, fault, now
from tests.binance.webhosts import WebHost, reply


async def looked(
    story: str = "",
    *,
    sapi: bytes | float | None = None,
    used: int = 0,
    market: bool = False,
    interval: str = "1h",
) -> tuple[Seen, Exchange, float]:
    """Look once.

    Args:
        story: Added to the scenario.
        sapi: What the host of the permissions answers, if not as the simulator does.
        used: Weight that is used up already when the look begins.

        market: Whether the market socket is tried too.
        interval: Between two mark prices.

    Returns:
        What was seen, the exchange, and how many seconds it took.
    """
    base = SCENARIO.replace('mark_interval = "1h"', f'mark_interval = "{interval}"')
    exchange = Exchange(parse_scenario(base + story, "test"))
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        await trio.sleep(1)
        web = WebHost(nursery, b"" if sapi is None else sapi)
        budget = Budget(now=now)
        if used:
            await budget.take(used)

        async def dial(url: str) -> trio.abc.Stream:
            if sapi is not None and url == "http://sapi":
                return await web.dial(url)
            return await exchange.dial(url)

        glance = Glance(
            name="main",
            signer=Signer(KEY, SECRET),
            ws_api="ws://sim/ws-fapi/v1",
            streams="ws://sim",
            rest="http://sim",
            sapi="http://sapi",
            dial=dial,
            now=now,
            budget=budget,
            market=market,
        )
        seen = await glance.look()
        took = trio.current_time() - 1
        nursery.cancel_scope.cancel()
    return seen, exchange, took


async def test_a_good_account_is_asked_each_thing_once_and_its_listen_key_left_alone(
    autojump_clock: MockClock,
) -> None:
    seen, exchange, _ = await looked()
    assert seen.offset == 0
    assert seen.poll is not None
    assert seen.poll.positions is not None
    assert [(row.symbol, row.quantity) for row in seen.poll.positions] == [
        ("BTCUSDT", Decimal("0.1"))
    ]
    assert seen.poll.settings is not None
    assert SettingRow("BTCUSDT", 10, "isolated") in seen.poll.settings
    assert seen.poll.multi_assets is False
    assert seen.permissions == Permissions((), portfolio_margin=False)
    assert (seen.permissions_fault, seen.faults) == (None, [])
    assert exchange.requests == {
        "time": 1,
        "v2/account.position": 1,
        "v2/account.status": 1,
        "account.position": 1,
        "account.status": 1,
        "userDataStream.start": 1,
        "GET /sapi/v1/account/apiRestrictions": 1,
    }


@pytest.mark.parametrize("method", ["v2/account.position", "v2/account.status"])
async def test_the_old_version_does_where_the_new_one_is_refused(
    method: str, autojump_clock: MockClock
) -> None:
    story = fault("error", "0s", for_="1h", method=method, code=-1099, status=400)
    seen, _, _ = await looked(story)
    assert seen.faults == []
    assert seen.poll is not None
    assert [row.quantity for row in seen.poll.positions or ()] == [Decimal("0.1")]
    assert seen.poll.totals is not None


async def test_settings_are_inferred_where_the_old_version_is_refused(
    autojump_clock: MockClock,
) -> None:
    story = fault("error", "0s", for_="1h", method="account.position", code=-1099, status=400)
    seen, _, _ = await looked(story)
    assert seen.faults == []
    assert seen.poll is not None
    assert seen.poll.settings == (SettingRow("BTCUSDT", 10, "isolated"),)


async def test_what_both_versions_refuse_is_a_fault_and_the_rest_is_seen(
    autojump_clock: MockClock,
) -> None:
    story = "".join(
        fault("error", "0s", for_="1h", method=method, code=-1099, status=400)
        for method in ("v2/account.status", "account.status")
    )
    seen, _, _ = await looked(story)
    assert [str(one).partition(" (status")[0] for one in seen.faults] == [
        "v2/account.status: the exchange refused with -1099"
    ]
    assert seen.poll is None
    assert seen.permissions is not None


async def test_a_user_data_socket_that_is_refused_is_a_fault_beside_the_numbers(
    autojump_clock: MockClock,
) -> None:
    seen, _, _ = await looked(fault("refuse", "0s", for_="1h", where="private", status=451))
    assert [str(one) for one in seen.faults] == ["main user data (sim): refused with HTTP 451"]
    assert seen.poll is not None


async def test_a_user_data_socket_that_never_opens_is_given_up(autojump_clock: MockClock) -> None:
    seen, _, took = await looked(fault("stall", "0s", for_="1h", where="private"))
    assert [str(one) for one in seen.faults] == [
        "main user data (sim): timed out after 10 s while connecting"
    ]
    assert took == pytest.approx(10)


@pytest.mark.parametrize(
    ("story", "said"),
    [
        pytest.param(
            fault("refuse", "0s", for_="1h", where="market", status=404),
            ["main mark prices (sim): refused with HTTP 404"],
            id="a wrong path",
        ),
        pytest.param(
            fault("mute", "0s", for_="1h", where="market"),
            ["main mark prices: no price of BTCUSDT for 5 s after SUBSCRIBE"],
            id="a socket that brings nothing",
        ),
        pytest.param("", [], id="a good one"),
    ],
)
async def test_the_market_socket_is_good_when_it_has_brought_a_price(
    story: str, said: list[str], autojump_clock: MockClock
) -> None:
    seen, _, took = await looked(story, market=True, interval="1s")
    assert [str(one) for one in seen.faults] == said
    assert seen.poll is not None
    assert took <= 5


async def test_where_time_is_refused_the_clock_is_asked_for_over_rest(
    autojump_clock: MockClock,
) -> None:
    story = fault("error", "0s", for_="1h", method="time", code=-1100, status=400)
    seen, exchange, _ = await looked(story + fault("skew", "0s", by="30s", for_="1h"))
    assert (seen.offset, seen.faults) == (30_000, [])
    assert exchange.requests["GET /fapi/v1/time"] == 1


async def test_a_ban_is_told_as_one(autojump_clock: MockClock) -> None:
    seen, _, _ = await looked(fault("ban", "0s", for_="5m"))
    assert [str(one) for one in seen.faults] == ["main API (sim): refused with HTTP 418"]
    assert (seen.offset, seen.poll, seen.permissions) == (None, None, None)


async def test_a_socket_that_drops_in_the_middle_is_told_once(autojump_clock: MockClock) -> None:
    story = fault("late", "0s", for_="1h", by="2s") + fault("drop", "5s", where="api")
    seen, _, took = await looked(story)
    assert [str(one) for one in seen.faults] == [
        "main API (sim): the connection broke off (closed 1006)"
    ]
    assert took == pytest.approx(4)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(
            reply("<html>", 403, kind="text/html"),
            "main permissions (sapi): GET /sapi/v1/account/apiRestrictions was refused with "
            "HTTP 403",
            id="403",
        ),
        pytest.param(
            reply({"code": -2015, "msg": "Invalid API-key, IP, or permissions."}, 401),
            "GET /sapi/v1/account/apiRestrictions: the exchange refused with -2015 (status 401): "
            "Invalid API-key, IP, or permissions.",
            id="key",
        ),
        pytest.param(
            60.0,
            "main permissions (sapi): no answer to GET /sapi/v1/account/apiRestrictions for 10 s",
            id="silence",
        ),
    ],
)
async def test_permissions_that_are_not_told_are_no_fault_of_the_account(
    answer: bytes | float, text: str, autojump_clock: MockClock
) -> None:
    seen, _, took = await looked(sapi=answer)
    assert str(seen.permissions_fault) == text
    assert (seen.permissions, seen.faults) == (None, [])
    assert seen.poll is not None
    assert took <= 14


async def test_waiting_for_weight_is_not_the_accounts_time(autojump_clock: MockClock) -> None:
    """With many accounts the limit of the address makes some of them wait for the next minute."""
    seen, _, took = await looked(used=1190)
    assert seen.faults == []
    assert seen.poll is not None
    assert took == pytest.approx(59, abs=1)
