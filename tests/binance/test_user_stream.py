"""The life of the user data socket and of its listen key, in virtual time."""

import pytest
import trio
from trio.testing import MockClock

from monitor.binance.link import Dial
from monitor.core.events import (
    AccountChanged,
    UserStreamFell,
    UserStreamStood,
)
from monitor.sim.exchange import Exchange
from tests.binance.harness import do, fault, times, until, watched

HOUR = 3600


async def test_an_expired_key_is_renewed_at_once(autojump_clock: MockClock) -> None:
    story = do("expire_key", "100s") + do("deposit", "150s", amount="1")
    async with watched(story) as watch:
        await until(160)
    assert watch.names() == [
        (0, "AccountStarted"),
        (0, "UserStreamStood"),
        (100, "UserStreamFell"),
        (100, "UserStreamStood"),
        (150, "AccountChanged"),
    ]
    assert watch.of(UserStreamFell) == [(100, UserStreamFell("main", "the listen key expired"))]
    # The planned poll of that instant, and the full one that belongs to the new socket.
    assert [at for at, poll in watch.polls() if poll.multi_assets is not None] == [0, 102]
    assert watch.exchange.requests["userDataStream.start"] == 2
    assert watch.exchange.requests["userDataStream.stop"] == 0


@pytest.mark.parametrize(
    ("frame", "renewed"),
    [
        ('{"e":"listenKeyExpired","E":"1693427319838"}', True),
        ('{"stream":"x","data":{"e":"listenKeyExpired","E":1}}', True),
        ('{"e":"listenKeyExpired","E":1,"listenKey":"another"}', False),
    ],
)
async def test_an_expiry_counts_for_our_key_or_without_one(
    frame: str, *, renewed: bool, autojump_clock: MockClock
) -> None:
    """Told twice, as on the wire, it is renewed once."""
    story = do("send", "100s", frame=frame) + do("send", "100s", frame=frame)
    async with watched(story) as watch:
        await until(160)
    assert len(watch.of(UserStreamFell)) == int(renewed)
    assert watch.exchange.requests["userDataStream.start"] == 1 + int(renewed)


async def test_a_dead_key_is_found_by_the_keep_alive(autojump_clock: MockClock) -> None:
    """The expiry itself may be lost: −1125 at the next keep-alive must do."""
    story = fault("lose", "99s", for_="2s", event="listenKeyExpired") + do("expire_key", "100s")
    async with watched(story) as watch:
        await until(20 * 60 + 5)
    assert watch.of(UserStreamFell) == [
        (1200, UserStreamFell("main", "the listen key does not exist any more"))
    ]
    assert watch.of(UserStreamStood)[-1] == (1200, UserStreamStood("main"))


async def test_keep_alives_and_a_failed_one_tried_soon(autojump_clock: MockClock) -> None:
    story = fault("error", "1199s", for_="40s", method="userDataStream.ping")
    async with watched(story) as watch:
        await until(1205)
        assert watch.exchange.requests["userDataStream.ping"] == 1
        await until(1270)
        # Failed at 1200 s and 1230 s, served at 1260 s.
        assert watch.exchange.requests["userDataStream.ping"] == 3
        await until(1260 + 1200 + 1)
        assert watch.exchange.requests["userDataStream.ping"] == 4
    assert watch.of(UserStreamFell) == []


async def test_distrust_rebuilds_key_socket_and_picture(autojump_clock: MockClock) -> None:
    async with watched() as watch:
        await until(95)
        watch.account.distrust("a change that it did not tell")
        await until(99)
    assert watch.of(UserStreamFell, UserStreamStood)[1:] == [
        (95, UserStreamFell("main", "a change that it did not tell")),
        (95, UserStreamStood("main")),
    ]
    assert [path for _, path in watch.dialled] == ["/ws-fapi/v1", "/private/ws", "/private/ws"]
    assert [at for at, poll in watch.polls() if poll.multi_assets is not None] == [0, 95]


async def test_a_socket_that_is_being_opened_is_rebuilt_too(autojump_clock: MockClock) -> None:
    """Asleep in the middle of it, the machine would wake to a socket on a key that is dead."""

    def slow(exchange: Exchange) -> Dial:
        async def dial(url: str) -> trio.abc.Stream:
            if "/private" in url:
                await trio.sleep(5)
            return await exchange.dial(url)

        return dial

    async with watched(dial=slow) as watch:
        await until(3)
        watch.account.rebuild("the machine slept for 4000 s")
        await until(30)
    assert watch.exchange.requests["userDataStream.start"] == 2
    assert watch.of(UserStreamFell) == []
    ((stood, _),) = watch.of(UserStreamStood)
    assert 8 <= stood <= 10


async def test_the_socket_is_replaced_before_it_is_a_day_old(autojump_clock: MockClock) -> None:
    story = do("deposit", "23h", amount="1") + do("deposit", "29h", amount="1")
    async with watched(story, poll_interval=600) as watch:
        await until(24 * HOUR - 1)
        (first, second) = [at for at, path in watch.dialled if path == "/private/ws"]
        assert first == 0
        assert 23 * HOUR <= second <= 23.5 * HOUR
        await until(29 * HOUR + 1)
    assert watch.of(UserStreamFell) == []
    assert len(watch.of(UserStreamStood)) == 1
    assert [at for at, _ in watch.of(AccountChanged)] == [23 * HOUR, 29 * HOUR]


async def test_a_shutdown_is_left_before_it_happens(autojump_clock: MockClock) -> None:
    story = do("send", "100s", frame='{"event":{"e":"serverShutdown","E":1}}')
    story += do("deposit", "110s", amount="1")
    async with watched(story) as watch:
        await until(120)
    assert watch.names()[2:] == [(110, "AccountChanged")]
    assert watch.dialled[2:] == [(100, "/private/ws")]


async def test_a_replacement_that_fails_leaves_the_old_one_in_place(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    story = do("send", "100s", frame='{"event":{"e":"serverShutdown","E":1}}')
    story += fault("refuse", "99s", for_="150s", where="private")
    story += do("deposit", "200s", amount="1") + do("deposit", "400s", amount="1")
    async with watched(story) as watch:
        await until(420)
    assert watch.of(UserStreamFell) == []
    assert [at for at, _ in watch.of(AccountChanged)] == [200, 400]
    private = [at for at, path in watch.dialled if path == "/private/ws"]
    assert private == [0, 100, 160, 220, 280]
    assert caplog.text.count("main user data: not replaced yet: ") == 3


async def test_without_a_listen_key_the_polls_go_on(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    story = fault("error", "0s", for_="1m", method="userDataStream.start")
    async with watched(story) as watch:
        await until(35)
        assert times(watch) == [0, 10, 20, 30]
        assert watch.of(UserStreamStood) == []
        await until(130)
    assert len(watch.of(UserStreamStood)) == 1
    assert (
        "main user data: no listen key: userDataStream.start: the exchange refused with -1001 "
        "(status 500): Internal error"
    ) in caplog.text


async def test_events_of_a_new_type_are_remarked_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    story = do("send", "20s", frame='{"e":"NEW_EVENT"}') * 2
    async with watched(story) as watch:
        await until(25)
    assert watch.quarantine.counts == {}
    assert caplog.text.count("main user data: events of a new type: 'NEW_EVENT'") == 1


async def test_another_key_by_now_is_found_by_the_keep_alive(autojump_clock: MockClock) -> None:
    """Another program of the account stopped the key and started a new one."""
    story = fault("lose", "99s", for_="2s", event="listenKeyExpired") + do("expire_key", "100s")
    async with watched(story) as watch:
        await until(110)
        watch.exchange._desk.start_listening("main")
        await until(1205)
    assert watch.of(UserStreamFell) == [
        (1200, UserStreamFell("main", "the account has another listen key by now"))
    ]
    assert watch.of(UserStreamStood)[-1][0] == 1200
