"""Keeping a connection, and holding the newest."""

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from monitor.errors import ConnectionLost
from monitor.feed import Latest, TryLater, keep_connected

LOG = logging.getLogger("test.feed")


class Top(random.Random):
    """Jitter that always takes the whole back-off, so that its ceiling can be read."""

    def uniform(self, _a: float, b: float) -> float:
        return b


async def starts(
    lives: Sequence[Callable[[Callable[[], None]], float | None]], rng: random.Random, **rest: Any
) -> list[float]:
    """Run these lives, and tell when each began; the last one stays.

    One that returns seconds is lost after them.
    """
    at: list[float] = []

    async def once(good: Callable[[], None]) -> None:
        at.append(round(trio.current_time(), 3))
        await trio.lowlevel.checkpoint()
        if len(at) > len(lives):
            await trio.sleep_forever()
        seconds = lives[len(at) - 1](good)
        if seconds is not None:
            await trio.sleep(seconds)
            raise ConnectionLost("line: gone")

    with trio.move_on_after(100_000):
        await keep_connected(once, rng=rng, name="line", log=LOG, **rest)
    return at


def lose(good: Callable[[], None]) -> None:
    raise ConnectionLost("line: gone")


def lose_later(good: Callable[[], None]) -> None:
    raise TryLater("line: banned", 150)


def shine_and_lose(good: Callable[[], None]) -> None:
    good()
    raise ConnectionLost("line: gone")


def shine_for(seconds: float) -> Callable[[Callable[[], None]], float]:
    """Be good at once, and lost so many seconds later."""

    def life(good: Callable[[], None]) -> float:
        good()
        return seconds

    return life


def shine_and_end(good: Callable[[], None]) -> None:
    good()


def end(good: Callable[[], None]) -> None:
    """Return without having been good."""


def in_groups(good: Callable[[], None]) -> None:
    raise ExceptionGroup("", [ExceptionGroup("", [ConnectionLost("a")]), ConnectionLost("b")])


async def test_the_back_off_doubles_to_its_cap(autojump_clock: MockClock) -> None:
    at = await starts([lose] * 8, Top())
    assert at == [0, 1, 3, 7, 15, 31, 63, 123, 183]


async def test_the_jitter_is_full_and_seeded(autojump_clock: MockClock) -> None:
    at = await starts([lose] * 3, random.Random(1))
    jitter = random.Random(1)
    expected = [0.0]
    for ceiling in (1, 2, 4):
        expected.append(expected[-1] + jitter.uniform(0, ceiling))
    assert at == [round(one, 3) for one in expected]


async def test_only_a_life_that_was_good_for_a_while_starts_the_back_off_anew(
    autojump_clock: MockClock,
) -> None:
    at = await starts([lose, lose, shine_for(29.9), shine_for(30), lose], Top())
    assert at == [0, 1, 3, 3 + 29.9 + 4, 36.9 + 30 + 1, 67.9 + 2]


async def test_a_server_that_breaks_off_after_the_first_good_frame_is_not_dialled_faster(
    autojump_clock: MockClock,
) -> None:
    assert await starts([shine_and_lose] * 8, Top()) == [0, 1, 3, 7, 15, 31, 63, 123, 183]


async def test_an_end_on_purpose_begins_again_at_once(autojump_clock: MockClock) -> None:
    assert await starts([shine_and_end, shine_and_end, end, end], Top()) == [0, 0, 0, 1, 3]


async def test_word_on_when_to_come_back_is_kept(autojump_clock: MockClock) -> None:
    assert await starts([lose_later, lose], Top()) == [0, 151, 153]


async def test_losses_in_groups_are_losses(autojump_clock: MockClock) -> None:
    assert await starts([in_groups], Top()) == [0, 1]


async def test_a_bug_beside_a_loss_gets_out(autojump_clock: MockClock) -> None:
    def both(good: Callable[[], None]) -> None:
        raise ExceptionGroup("", [ConnectionLost("a"), ZeroDivisionError()])

    with pytest.RaisesGroup(ZeroDivisionError):
        await starts([both], Top())


async def test_a_bug_alone_gets_out(autojump_clock: MockClock) -> None:
    def bug(good: Callable[[], None]) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await starts([bug], Top())


async def test_the_same_cause_is_told_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="test.feed")
    await starts([lose, lose, lose_later, shine_and_lose], Top())
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "line: gone; trying again in 1.0 s"),
        ("DEBUG", "line: gone (2 times in a row); trying again in 2.0 s"),
        ("WARNING", "line: banned; trying again in 151.0 s"),
        ("INFO", "line: connected after 3 failures"),
        ("WARNING", "line: gone; trying again in 8.0 s"),
    ]


async def test_advice_stands_behind_a_cause_unless_the_connection_had_been_good(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="test.feed")
    words = {"line: gone": "Plug it in."}
    lives = [lose, lose_later, shine_and_lose]
    await starts(lives, Top(), advise=lambda lost: words.get(str(lost), ""))
    assert [one.getMessage() for one in caplog.records] == [
        "line: gone; trying again in 1.0 s. Plug it in.",
        "line: banned; trying again in 151.0 s",
        "line: gone; trying again in 4.0 s",
    ]


async def test_latest_holds_the_newest_of_each_key(autojump_clock: MockClock) -> None:
    latest: Latest[str, int] = Latest()
    latest.put("a", 1)
    latest.put("b", 2)
    latest.put("a", 3)
    assert await latest.take() == {"a": 3, "b": 2}


async def test_latest_waits_until_something_is_there(autojump_clock: MockClock) -> None:
    latest: Latest[str, int] = Latest()

    async def put_later() -> None:
        await trio.sleep(5)
        latest.put("a", 1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(put_later)
        assert await latest.take() == {"a": 1}
        assert trio.current_time() == 5
    with trio.move_on_after(1) as patience:
        await latest.take()
    assert patience.cancelled_caught
