"""When an account is polled, what is asked, and what the event says; in virtual time."""

import logging
from collections import Counter
from decimal import Decimal

import pytest
from trio.testing import MockClock

from monitor.core.events import (
    AccountChanged,
    SettingRow,
    StatusRow,
)
from tests.binance.harness import SCENARIO, START, do, fault, now, times, until, watched


async def test_first_the_subscription_then_everything_then_as_it_comes(
    autojump_clock: MockClock,
) -> None:
    async with watched(do("deposit", "12s", amount="100")) as watch:
        await until(25)
    kinds = [(at, type(event).__name__) for at, event in watch.told]
    assert kinds == [
        (0, "AccountStarted"),
        (0, "UserStreamStood"),
        (0, "PollAnswered"),
        (0, "BracketsRead"),
        (10, "PollAnswered"),
        (12, "AccountChanged"),
        (20, "PollAnswered"),
    ]
    assert watch.dialled == [(0, "/ws-fapi/v1"), (0, "/private/ws")]
    first, second, third = (poll for _, poll in watch.polls())
    assert [(one.at - START, one.after, one.complete) for one in (first, second, third)] == [
        (0, 0, True),
        (10_000, 0, True),
        (20_000, 1, True),
    ]
    assert first.settings is not None
    assert SettingRow("BTCUSDT", 10, "isolated") in first.settings
    assert (first.multi_assets, second.multi_assets, second.settings) == (False, None, None)
    assert first.positions is not None
    assert first.listed is not None
    assert [(row.symbol, row.quantity) for row in first.positions] == [("BTCUSDT", Decimal("0.1"))]
    assert [(row.symbol, row.quantity) for row in first.listed] == [("BTCUSDT", Decimal("0.1"))]
    held = StatusRow("BTCUSDT", "BOTH", Decimal("0.1"))
    assert first.beside == ((held,), (held,)), "what v1 lists is compared with v2"
    assert second.beside == ()
    (changed,) = (event for _, event in watch.of(AccountChanged))
    assert isinstance(changed, AccountChanged)
    assert (changed.seq, changed.at - START, changed.reason) == (1, 12_000, "DEPOSIT")


async def test_what_is_asked_and_how_often(autojump_clock: MockClock) -> None:
    async with watched() as watch:
        await until(299)
        assert times(watch) == list(range(0, 300, 10))
        full = [at for at, poll in watch.polls() if poll.settings is not None]
        assert full == [0, 60, 120, 180, 240]
        await until(301)
        assert [at for at, poll in watch.polls() if poll.multi_assets is not None] == [0, 300]
        assert watch.exchange.requests == Counter(
            {
                "time": 1,
                "userDataStream.start": 1,
                "v2/account.position": 31,
                "v2/account.status": 31,
                "account.position": 6,
                "account.status": 2,
                "account.balance": 2,
                "GET /fapi/v1/leverageBracket": 1,
            }
        )
        assert watch.account.budget.used_weight > 0
        assert watch.account.offset == 0


@pytest.mark.parametrize(
    ("wishes", "sent"),
    [
        pytest.param([(15, 0, {})], [0, 10, 15, 25], id="at once where the last is 2 s old"),
        pytest.param([(11, 0, {})], [0, 10, 12, 22], id="else 2 s after it"),
        pytest.param([(11, 0, {"urgent": True})], [0, 10, 11, 21], id="urgent does not wait"),
        pytest.param([(10.5, 1, {})], [0, 10, 11.5, 21.5], id="a later instant is kept"),
        pytest.param(
            [(11, 0, {}), (11.2, 0, {}), (11.4, 5, {})], [0, 10, 12, 22], id="merged: three are one"
        ),
        pytest.param(
            [(11, 5, {}), (11.2, 0.3, {})], [0, 10, 11.5, 21.5], id="merged: the earliest"
        ),
        pytest.param([(9, 30, {})], [0, 10, 20], id="a far wish changes nothing yet"),
        pytest.param([(9, 0.5, {}), (9, 0, {})], [0, 9, 19], id="merged: now"),
    ],
)
async def test_polls_that_are_asked_for(
    wishes: list[tuple[float, float, dict[str, bool]]],
    sent: list[float],
    autojump_clock: MockClock,
) -> None:
    async with watched() as watch:
        for at, ahead, how in wishes:
            await until(at)
            watch.account.want_poll(now().ticks + round(ahead * 1000), **how)
        await until(sent[-1] + 0.5)
        assert times(watch) == sent


async def test_a_full_wish_asks_for_everything(autojump_clock: MockClock) -> None:
    async with watched() as watch:
        await until(15)
        watch.account.want_poll(now().ticks)
        watch.account.want_poll(now().ticks, full=True)
        await until(16)
        (_, poll) = watch.polls()[-1]
        assert (poll.at - START, poll.settings is None, poll.multi_assets) == (15_000, False, False)


async def test_wishes_during_a_poll_become_one_poll_after_it(autojump_clock: MockClock) -> None:
    async with watched(fault("stall", "14.9s", for_="5s", where="api")) as watch:
        await until(15)
        watch.account.want_poll(now().ticks)
        await until(16)
        for _ in range(5):
            watch.account.want_poll(now().ticks)
        await until(25)
        asked = [poll.at - START for _, poll in watch.polls()]
        assert asked == [0, 10_000, 15_000, 19_900]
        assert watch.exchange.requests["v2/account.position"] == 4


async def test_v2_refused_is_v1_from_then_on(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    story = fault(
        "error",
        "5s",
        for_="1h",
        method="v2/account.position",
        code=-1099,
        status=400,
        message="Not found, unauthenticated, or unauthorized.",
    )
    async with watched(story) as watch:
        await until(41)
    assert [(at, poll.complete) for at, poll in watch.polls()] == [
        (0, True),
        (10, False),
        (12, True),
        (22, True),
        (32, True),
    ]
    (_, poll) = watch.polls()[-1]
    assert poll.positions is not None
    (row,) = poll.positions
    assert (row.symbol, row.margin_type, row.quantity) == ("BTCUSDT", "isolated", Decimal("0.1"))
    (said,) = [one for one in map(logging.LogRecord.getMessage, caplog.records) if "instead" in one]
    assert said == (
        "main: v2/account.position: the exchange refused with -1099 (status 400): Not found, "
        "unauthenticated, or unauthorized.; account.position (v1) is asked instead"
    )


async def test_both_of_v2_refused_gives_margins_from_v1s_status(autojump_clock: MockClock) -> None:
    story = "".join(
        fault("error", "5s", for_="1h", method=method, code=-1099, status=400)
        for method in ("v2/account.position",)
    )
    async with watched(story) as watch:
        # The simulator has one error at a time, so the other is refused by hand.
        watch.account._polls._table.refuse("v2/account.status")
        watch.account._polls._session = 1
        await until(15)
    (_, poll) = watch.polls()[-1]
    assert poll.complete
    assert poll.positions is not None
    assert poll.positions[0].maintenance_margin is not None
    assert poll.positions[0].initial_margin == Decimal(600)
    assert poll.multi_assets is False


@pytest.mark.parametrize("refused", [("account.position",), ("account.position", "account.status")])
async def test_settings_where_v1_is_refused_come_from_its_status_or_are_inferred(
    refused: tuple[str, ...], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    story = "".join(
        fault("error", "0s", for_="1h", method=one, code=-1099, status=400) for one in refused
    )
    async with watched(story) as watch:
        await until(70)
    polls = watch.polls()
    assert [(at, poll.complete) for at, poll in polls[:3]] == [(0, False), (2, True), (12, True)]
    settings = [poll.settings for _, poll in polls if poll.settings is not None]
    assert len(settings) == 2
    for rows in settings:
        assert [one for one in rows if one.symbol == "BTCUSDT"] == [
            SettingRow("BTCUSDT", 10, "isolated")
        ]
    assert caplog.text.count("are taken from account.status (v1), or inferred") == 1
    # With the mode at the start, and for the settings a minute later, unless it is refused too.
    asked = watch.exchange.requests["account.status"]
    assert asked == (1 if "account.status" in refused else 2)


@pytest.mark.parametrize(("code", "status"), [(-1001, 500), (-1008, 503), (-1021, 400)])
async def test_a_bad_moment_leaves_a_hole_and_changes_nothing_else(
    code: int, status: int, autojump_clock: MockClock
) -> None:
    story = fault("error", "5s", for_="10s", method="v2/account.position", code=code, status=status)
    async with watched(story) as watch:
        await until(25)
    (_, whole), (_, holed), (_, again) = watch.polls()
    assert (holed.positions, holed.complete, holed.assets is None) == (None, False, False)
    assert (again.complete, again.positions == whole.positions) == (True, True)
    assert watch.exchange.requests["account.position"] == 1


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        (-1008, 503, "Server is currently overloaded with other requests."),
        (0, 503, "Service Unavailable."),
        (0, 408, "Request Timeout."),
        (-1001, 500, "Internal error; unable to process your request. Please try again."),
    ],
)
async def test_a_moments_trouble_is_over_within_the_poll(
    code: int, status: int, message: str, autojump_clock: MockClock
) -> None:
    story = fault(
        "error", "9.9s", for_="300ms", method="v2/account.position", code=code, status=status,
        message=message,
    )  # fmt: skip
    async with watched(story) as watch:
        await until(19)
        assert watch.exchange.requests["v2/account.position"] in {3, 4}
    (_, first), (at, second) = watch.polls()
    assert (first.complete, second.complete, second.at - START) == (True, True, 10_000)
    assert 10.2 <= at < 11


async def test_what_fails_for_long_is_asked_four_times_a_poll(autojump_clock: MockClock) -> None:
    story = fault("error", "5s", for_="1h", method="v2/account.position", code=-1008, status=503)
    async with watched(story) as watch:
        await until(19)
        assert watch.exchange.requests["v2/account.position"] == 1 + 4


async def test_polls_that_are_asked_for_wait_where_weight_is_short(
    autojump_clock: MockClock,
) -> None:
    async with watched(base=f"weight_limit = 220{SCENARIO}") as watch:
        await until(31)
        budget = watch.account.budget
        assert (budget.state.share, budget.state.used_by_us) == (110, 78)
        watch.account.want_poll(now().ticks, full=True)
        await until(34)
        assert times(watch) == [0, 10, 20, 30]
        # A forced order's poll does not wait; the regular ones come in between.
        watch.account.want_poll(now().ticks, urgent=True)
        await until(35)
        assert times(watch)[-1] == 34
        await until(75)
    full = [at for at, poll in watch.polls() if poll.multi_assets is not None]
    assert full[0] == 0
    assert 60 <= full[1] < 75
