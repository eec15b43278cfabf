"""One account's life in trouble, against the simulator, in virtual time; whole stories."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from monitor.binance import usdm
from monitor.core.events import (
    AccountChanged,
    AccountStarted,
    ForcedOrderSeen,
    KeyWasAccepted,
    KeyWasRejected,
    Now,
    UserStreamFell,
    UserStreamStood,
)
from tests.binance.harness import KEY, SECRET, START, do, fault, now, times, until, watched

MINUTE, HOUR = 60, 3600


# ------------------------------------------------------------------ trouble


async def test_a_dropped_user_socket_is_rebuilt_and_polled(autojump_clock: MockClock) -> None:
    async with watched(fault("drop", "95s", where="private")) as watch:
        await until(99)
    (_, fell) = watch.of(UserStreamFell)[0]
    assert isinstance(fell, UserStreamFell)
    assert fell.why == "main user data (sim): the connection broke off (closed 1006)"
    stood = watch.of(UserStreamStood)[1][0]
    assert 95 < stood < 96
    full = [at for at, poll in watch.polls() if poll.multi_assets is not None]
    assert full == [0, stood]


async def test_a_dropped_api_socket_is_rebuilt_and_polled(autojump_clock: MockClock) -> None:
    async with watched(fault("drop", "95s", where="api")) as watch:
        await until(99)
    assert watch.of(UserStreamFell) == []
    assert [path for _, path in watch.dialled] == ["/ws-fapi/v1", "/private/ws", "/ws-fapi/v1"]
    full = [at for at, poll in watch.polls() if poll.multi_assets is not None]
    assert full == [0, watch.dialled[-1][0]]
    assert watch.exchange.requests["time"] == 2


async def test_a_silent_dead_user_socket_is_found_by_pings(autojump_clock: MockClock) -> None:
    async with watched(fault("stall", "70s", for_="90s", where="private")) as watch:
        await until(300)
    fell, stood = watch.of(UserStreamFell, UserStreamStood)[1:]
    assert fell == (135, UserStreamFell("main", "main user data: no answer to a ping for 15 s"))
    assert 160 <= stood[0] < 220
    assert times(watch)[:15] == [10.0 * n for n in range(15)]


async def test_a_silent_dead_api_socket_is_found_by_its_polls(autojump_clock: MockClock) -> None:
    async with watched(fault("stall", "15s", for_="30s", where="api")) as watch:
        await until(100)
    whole = [at for at, poll in watch.polls() if poll.complete]
    assert whole[:2] == [0, 10]
    assert 45 <= whole[2] < 60
    assert whole[-1] > 90
    assert all(poll.positions for _, poll in watch.polls())


async def test_an_exchange_that_refuses_is_tried_until_it_serves(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(fault("refuse", "0s", for_="10m")) as watch:
        await until(700)
    tries = [at for at, path in watch.dialled if path == "/ws-fapi/v1"]
    gaps = [b - a for a, b in pairwise(tries)]
    assert max(gaps) <= 60
    assert len(tries) < 40
    assert watch.names() == [(0, "AccountStarted"), (tries[-1], "UserStreamStood")]
    assert times(watch)[0] == tries[-1] > 600
    warnings = [one for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 1


async def test_a_user_socket_that_is_refused_does_not_blind_the_polls(
    autojump_clock: MockClock,
) -> None:
    async with watched(fault("refuse", "0s", for_="1m", where="private")) as watch:
        await until(35)
        assert watch.names() == [(0, "AccountStarted")]
        assert times(watch) == [0, 10, 20, 30]
        await until(130)
    assert len(watch.of(UserStreamStood)) == 1


async def test_garbled_frames_are_kept_and_cost_nothing_else(autojump_clock: MockClock) -> None:
    story = fault("garble", "35s", for_="2s", where="private")
    story += do("deposit", "36s", amount="1") + do("deposit", "50s", amount="1")
    async with watched(story) as watch:
        await until(60)
    assert watch.names()[2:] == [(50, "AccountChanged")]
    assert watch.of(AccountChanged)[0][1].seq == 1  # type: ignore[union-attr]  # all of one kind
    assert watch.quarantine.counts == {"main user data": 1}


async def test_garbled_answers_are_holes(autojump_clock: MockClock) -> None:
    async with watched(fault("garble", "15s", for_="10s", where="api")) as watch:
        await until(55)
    assert watch.quarantine.counts == {"main API": 2}
    assert [(at, poll.complete) for at, poll in watch.polls()][-1][1] is True
    assert watch.of(UserStreamFell) == []


@pytest.mark.parametrize("where", ["private", "api"])
async def test_a_huge_frame_ends_the_socket_cleanly(
    where: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(fault("huge", "95s", where=where)) as watch:
        await until(99)
    name = "main API" if where == "api" else "main user data"
    assert f"{name} (sim): a frame over 1 MiB; trying again in " in caplog.text
    assert times(watch)[-1] > 95


async def test_a_banned_address_keeps_still(autojump_clock: MockClock) -> None:
    story = fault("ban", "65s", for_="10m") + fault("drop", "70s")
    async with watched(story) as watch:
        await until(66)
        asked = watch.exchange.requests.total()
        dialled = len(watch.dialled)
        await until(69)
        watch.account.want_poll(now().ticks, urgent=True)
        await until(71)
        asked = watch.exchange.requests.total()
        assert asked > 0
        await until(664)
        assert (watch.exchange.requests.total(), len(watch.dialled)) == (asked, dialled)
        await until(680)
        assert watch.exchange.requests.total() > asked
    assert times(watch)[-1] > 664


@pytest.mark.parametrize("data", [True, False])
async def test_a_ban_is_waited_out_whether_it_says_so_in_data_or_words(
    autojump_clock: MockClock, *, data: bool
) -> None:
    async with watched(fault("ban", "65s", for_="10m", data=data)) as watch:
        await until(71)
        asked = watch.exchange.requests.total()
        await until(664)
        assert watch.exchange.requests.total() == asked
        assert 590 < watch.account.budget.closed_for + 664 - 71 < 605
        await until(680)
        assert times(watch)[-1] >= 665


@pytest.mark.parametrize(
    ("where", "status", "seconds"),
    [("api", 418, 120), ("api", 429, 60), ("private", 418, 120), ("private", 403, 60)],
)
async def test_a_refused_upgrade_keeps_away_as_long_as_it_must(
    where: str, status: int, seconds: float, autojump_clock: MockClock
) -> None:
    story = fault("drop", "95s", where=where)
    story += fault("refuse", "95s", for_="10s", where=where, status=status)
    async with watched(story) as watch:
        await until(95 + seconds)
        path = "/ws-fapi/v1" if where == "api" else "/private/ws"
        dials = [at for at, one in watch.dialled if one == path]
        assert len(dials) == 2
        # Only limits close the gate for everything else on this address.
        gate = watch.account.budget.closed_for > 0 or where == "api"
        assert gate is (status != 403)
        asked_meanwhile = [at for at in times(watch) if 97 < at < 95 + seconds]
        assert (asked_meanwhile == []) is gate
        await until(95 + seconds + 15)
        dials = [at for at, one in watch.dialled if one == path]
        assert len(dials) == 3
        assert times(watch)[-1] > 95 + seconds


async def test_a_ban_from_the_start_is_waited_out(autojump_clock: MockClock) -> None:
    async with watched(fault("ban", "0s", for_="5m")) as watch:
        await until(299)
        assert len(watch.dialled) == 1
        assert watch.told == [(0, AccountStarted("main"))]
        await until(310)
        assert times(watch)[0] >= 300


async def test_a_clock_that_steps_is_measured_and_the_poll_asked_again(
    autojump_clock: MockClock,
) -> None:
    async with watched(fault("skew", "15s", by="30s", for_="1h")) as watch:
        await until(35)
        assert watch.account.offset == 30_000
    assert [(at, poll.complete) for at, poll in watch.polls()] == [
        (0, True),
        (10, True),
        (20, True),
        (30, True),
    ]
    # Both requests of the poll found it out for themselves.
    assert watch.exchange.requests["time"] == 3


async def test_a_clock_that_is_off_from_the_start(autojump_clock: MockClock) -> None:
    def slow() -> Now:
        told = now()
        return Now(told.ticks, told.utc - 7000)

    async with watched(do("deposit", "12s", amount="1"), clock=slow) as watch:
        await until(15)
        assert watch.account.offset == 7000
    (_, changed), *_ = watch.of(AccountChanged)
    assert isinstance(changed, AccountChanged)
    assert (changed.at, changed.time) == (START + 12_000 - 7000, START + 12_000)
    assert [poll.at for _, poll in watch.polls()] == [START - 7000, START + 10_000 - 7000]


# ------------------------------------------------------------------ the key


async def test_a_wrong_secret_is_told_once(autojump_clock: MockClock) -> None:
    async with watched(secret="wrong") as watch:
        await until(4 * MINUTE)
    rejected = watch.of(KeyWasRejected)
    assert rejected == [
        (0, KeyWasRejected("main", -1022, "Signature for this request is not valid."))
    ]
    assert watch.polls() == []


async def test_a_revoked_key_is_tried_now_and_then_until_it_is_served(
    autojump_clock: MockClock,
) -> None:
    async with watched(do("revoke_key", "65s")) as watch:
        tries: list[float] = []
        while trio.current_time() < 3 * HOUR:
            before = watch.exchange.requests["userDataStream.start"]
            await trio.sleep(1)
            if watch.exchange.requests["userDataStream.start"] > before:
                tries.append(round(trio.current_time()))
        watch.exchange._desk.key_ring._revoked.clear()
        await until(4 * HOUR)
    (rejected,) = watch.of(KeyWasRejected)
    assert rejected == (
        70,
        KeyWasRejected("main", -2015, "Invalid API-key, IP, or permissions for action."),
    )
    first_hour = [70 + 300 * n for n in range(1, 13)]
    later = [70 + 3600 + 1800 * n for n in range(1, 4)]
    assert [round(at, -1) for at in tries if at > 10] == first_hour + later
    (accepted,) = watch.of(KeyWasAccepted)
    assert accepted[0] == 70 + 3600 + 1800 * 4
    assert [at for at in times(watch) if 70 < at < accepted[0]] == []
    assert times(watch)[8] - accepted[0] < 4
    assert times(watch)[-1] > 4 * HOUR - 15


@pytest.mark.parametrize(
    ("story", "accepted"),
    [
        pytest.param(fault("error", "300s", for_="60s", code=-1001), 370, id="an internal error"),
        pytest.param(fault("drop", "369.5s"), 370, id="a connection just lost"),
        pytest.param(fault("stall", "365s", for_="60s", where="api"), 670, id="no answer"),
        pytest.param(fault("ban", "369s", for_="100s"), 670, id="a ban in between"),
    ],
)
async def test_a_probe_decides_about_the_key_alone(
    story: str, accepted: float, autojump_clock: MockClock
) -> None:
    async with watched(do("revoke_key", "65s") + story) as watch:
        await until(100)
        watch.exchange._desk.key_ring._revoked.clear()
        await until(1200)
    (told,) = watch.of(KeyWasAccepted)
    assert accepted <= told[0] < accepted + 120
    assert len(watch.of(KeyWasRejected)) == 1
    assert times(watch)[-1] > 1180


# ------------------------------------------------------------------ handing over


async def test_a_full_backlog_rebuilds_the_socket_and_polls(autojump_clock: MockClock) -> None:
    async with watched(do("deposit", "95s", amount="1")) as watch:
        await until(94)
        watch.full = True
        await until(96)
        watch.full = False
        await until(104)
    assert watch.names()[2:] == [(watch.of(UserStreamStood)[1][0], "UserStreamStood")]
    assert watch.of(AccountChanged) == []
    later = [poll for at, poll in watch.polls() if at > 95]
    assert later[0].multi_assets is False
    assert later[0].assets is not None
    assert later[0].assets[0].wallet == Decimal(1001)


async def test_a_poll_that_finds_no_room_is_asked_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched() as watch:
        await until(94)
        watch.full = True
        await until(101)
        watch.full = False
        await until(109)
    assert "main API: the engine's backlog is full" in caplog.text
    assert [at for at, poll in watch.polls() if at > 95 and poll.complete] != []


async def test_news_of_the_link_waits_for_room(autojump_clock: MockClock) -> None:
    async with watched(fault("refuse", "95s", for_="1h", where="private")
                       + fault("drop", "96s", where="private")) as watch:  # fmt: skip
        await until(95.5)
        watch.full = True
        await until(99)
        assert watch.of(UserStreamFell) == []
        watch.full = False
        await until(112)
    (at, fell) = watch.of(UserStreamFell)[0]
    assert isinstance(fell, UserStreamFell)
    assert 99 < at <= 110


async def test_a_liquidation_is_told_by_its_first_message(autojump_clock: MockClock) -> None:
    story = do(
        "send",
        "20s",
        frame=(
            '{"e":"TRADE_LITE","E":1767225620000,"T":1767225620000,"s":"BTCUSDT","q":"0.1","p":"53000",'
            '"m":false,"c":"autoclose-1","S":"SELL","L":"53100","l":"0.1","t":1,"i":7}'
        ),
    )
    async with watched(story) as watch:
        await until(21)
    assert watch.of(ForcedOrderSeen) == [
        (
            20,
            ForcedOrderSeen(
                "main",
                1767225620000,
                1767225620000,
                1,
                "liquidation",
                "BTCUSDT",
                None,
                7,
                "SELL",
                Decimal("0.1"),
                Decimal(53100),
            ),
        )
    ]


async def test_one_account_in_trouble_disturbs_no_other(autojump_clock: MockClock) -> None:
    async with watched(secret="wrong") as bad, watched() as good:
        await until(100)
        assert times(good) == [10.0 * n for n in range(10)]
        assert bad.polls() == []


async def test_rebuild_gives_up_every_socket(autojump_clock: MockClock) -> None:
    async with watched() as watch:
        await until(65)
        watch.account.rebuild("the clock stepped")
        await until(69)
    assert [path for _, path in watch.dialled[2:]] in (
        ["/ws-fapi/v1", "/private/ws"],
        ["/private/ws", "/ws-fapi/v1"],
    )
    assert watch.exchange.requests["time"] == 2


def test_an_account_shows_no_secret() -> None:
    account = usdm.UsdmAccount.__new__(usdm.UsdmAccount)
    account._name = "main"
    assert repr(account) == "UsdmAccount('main')"


async def test_no_secret_stands_in_what_is_told(autojump_clock: MockClock) -> None:
    async with watched(do("revoke_key", "65s") + fault("drop", "30s")) as watch:
        await until(100)
        listen_keys = {key.text for key in watch.exchange._desk.listen_keys._alive.values()}
        told = repr(watch.told) + repr(watch.account) + repr(vars(watch.account).keys())
        assert not any(secret in told for secret in {KEY, SECRET, *listen_keys})


def test_the_methods_that_must_not_exist_do_not() -> None:
    code = "".join(path.read_text() for path in Path(usdm.__file__).parent.glob("*.py"))
    assert "userDataStream.stop" not in code
    assert "order.place" not in code
    assert "DELETE" not in code
