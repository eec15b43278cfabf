"""Which notices go into one message, and when: digests, limits, quiet hours, storms."""

from datetime import time, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest
import trio
import trio.testing

from monitor.core.events import ChannelFailed, ChannelRecovered, NoticesDied, Now
from monitor.core.notices import Delivery, Notice, Target
from monitor.core.quiet import QuietHours
from monitor.core.rules import OWN_FAULTS
from monitor.outbox import OutboxChannel
from monitor.store import Undelivered

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")
outbox = import_module("tests.test_outbox")
Desk, at_work, fresh = outbox.Desk, outbox.at_work, outbox.fresh

Clock = trio.testing.MockClock

# ------------------------------------------------------------------ digests


async def test_what_is_due_goes_in_one_message(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService())) as desk:
        desk.add(*(fresh(number, f"r{number}") for number in range(1, 9)))
        await trio.sleep(60)
    assert desk.messages == [(2.0, [1, 2, 3, 4, 5, 6, 7, 8])]


async def test_a_message_names_at_most_sixty(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService())) as desk:
        desk.add(*(fresh(number, f"r{number}") for number in range(1, 131)))
        await trio.sleep(60)
    assert [len(numbers) for _, numbers in desk.messages] == [60, 60, 10]
    assert [attempt[2] for attempt in desk.attempts] == list(range(1, 131))


async def test_forty_criticals_of_one_second_are_three_messages(autojump_clock: Clock) -> None:
    """They come one after the other, to a service that answers at once."""
    async with at_work(Desk(receiver.FakeService())) as desk:
        for number in range(1, 41):
            desk.add(fresh(number, f"r{number}", "critical"))
            await trio.sleep(1 / 40)
        await trio.sleep(60)
    assert [at for at, _ in desk.messages] == [0.0, 0.5, 1.0]
    assert [number for _, numbers in desk.messages for number in numbers] == list(range(1, 41))


async def test_a_digest_that_is_refused_is_taken_apart_and_the_others_get_through(
    autojump_clock: Clock,
) -> None:
    service = receiver.FakeService(refuses=[11])
    async with at_work(Desk(service)) as desk:
        desk.add(*(fresh(number, f"r{number}") for number in range(1, 31)))
        await trio.sleep(120)
    everybody = list(range(1, 31))
    assert desk.messages[:3] == [(at, everybody) for at in (2.0, 3.0, 5.0)]
    assert [numbers for _, numbers in desk.messages[3:]] == [
        [1],
        [2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11, 12, 13, 14, 15],  # the notice at fault is in there
        [8],
        [9, 10],
        [11, 12, 13, 14],
        [11],
        [12],
        [11],
        [13, 14],
        [11],
        [15, 16, 17, 18],
        [11],
        [19, 20, 21, 22, 23, 24, 25, 26],
        [11],  # refused five times while others got through: set aside
        [27, 28, 29, 30],
    ]
    assert desk.outbox.waiting == {"phone": 1}


async def test_after_an_outage_all_that_waits_comes_in_few_messages(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500"] * 25})
    async with at_work(Desk(service)) as desk:
        for number in range(1, 201):
            desk.add(fresh(number, f"r{number % 40}"))
            await trio.sleep(17)
        await trio.sleep(3600)
    good = desk.messages[25:]
    assert sum(len(numbers) for _, numbers in good) == 200
    assert len(good) < 12
    for alert in range(40):
        order = [attempt[2] for attempt in service.arrived if attempt[2] % 40 == alert]
        assert order == sorted(order)


async def test_too_soon_is_no_reason_to_take_a_digest_apart(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["429"] * 5})
    service.retry_after = 10.0
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, "a"), fresh(2, "b"))
        await trio.sleep(100)
    assert [numbers for _, numbers in desk.messages] == [[1, 2]] * 6


# ------------------------------------------------------------------ max_per_minute


async def test_messages_without_a_critical_wait_for_their_minute(autojump_clock: Clock) -> None:
    channel = OutboxChannel("phone", group_wait=0, max_per_minute=3)
    async with at_work(Desk(receiver.FakeService(), [channel])) as desk:
        for number in range(1, 13):
            desk.add(fresh(number, f"r{number}"))
            await trio.sleep(5)
        await trio.sleep(120)
    assert desk.messages == [
        (0.0, [1]),
        (5.0, [2]),
        (10.0, [3]),
        (60.0, [4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ]


async def test_a_critical_does_not_wait_and_takes_the_others_along(autojump_clock: Clock) -> None:
    channel = OutboxChannel("phone", group_wait=0, max_per_minute=1)
    async with at_work(Desk(receiver.FakeService(), [channel])) as desk:
        desk.add(fresh(1, "a"))
        await trio.sleep(5)
        desk.add(fresh(2, "b"))
        await trio.sleep(5)
        desk.add(fresh(3, "c", "critical"))
        await trio.sleep(5)
        desk.add(fresh(4, "d", "critical"))
        desk.add(fresh(5, "e"))
        await trio.sleep(5)
        desk.add(fresh(6, "f"))
        await trio.sleep(120)
    assert desk.messages == [(0.0, [1]), (10.0, [3, 2]), (15.0, [4, 5]), (75.0, [6])]


async def test_no_more_go_into_a_message_than_their_numbers_fit(autojump_clock: Clock) -> None:
    desk = Desk(receiver.FakeService())
    desk.outbox._room = lambda _: 250
    async with at_work(desk):
        desk.add(*(fresh(1_767_322_800 + n, f"r{n}") for n in range(8)))
        await trio.sleep(60)
    assert [len(numbers) for _, numbers in desk.messages] == [6, 2]
    again = Desk(receiver.FakeService())
    again.outbox._room = lambda _: 250
    again.outbox.restore(
        Undelivered(fresh(1_767_322_800 + n, f"r{n}"), "phone", 12_344) for n in range(8)
    )
    async with at_work(again):
        await trio.sleep(60)
    assert [len(numbers) for _, numbers in again.messages] == [5, 3]


# ------------------------------------------------------------------ quiet hours

# The story begins at 03:00 UTC: 04:00 in this zone.
ZONE = timezone(timedelta(hours=1))
QUIET = OutboxChannel("phone", quiet_hours=QuietHours(time(23), time(4, 10), ZONE))


def urgent(desk: Any, notice: Notice) -> None:
    desk.outbox.add([notice], [Delivery(notice.number, "phone", urgent=True)])


async def test_quiet_hours_hold_what_is_not_urgent(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService(), [QUIET])) as desk:
        desk.add(fresh(1, "a"))
        await trio.sleep(60)
        urgent(desk, fresh(2, "b", "critical"))
        await trio.sleep(60)
        urgent(desk, fresh(3, "b", "critical", kind="resolved"))
        desk.add(fresh(4, "a", kind="resolved"))
        await trio.sleep(3600)
    assert desk.messages == [(60.0, [2]), (122.0, [3]), (600.0, [1, 4])]


async def test_what_precedes_a_critical_of_its_alert_goes_with_it(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService(), [QUIET])) as desk:
        desk.add(fresh(1, "a"), fresh(2, "b"))
        await trio.sleep(60)
        urgent(desk, fresh(3, "a", "critical", kind="escalated"))
        await trio.sleep(3600)
    assert desk.messages == [(60.0, [1, 3]), (600.0, [2])]


async def test_quiet_hours_end_though_the_clock_was_set(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trio's clock knows nothing of a machine that slept: it is looked at every minute."""
    desk = Desk(receiver.FakeService(), [QUIET])
    slept = 0

    def now() -> Now:
        told: Now = outbox.now()
        return told._replace(utc=told.utc + slept)

    desk.outbox._now = now
    async with at_work(desk):
        desk.add(fresh(1, "a"))
        await trio.sleep(90)
        slept = 8 * 3_600_000
        await trio.sleep(600)
    assert desk.messages == [(122.0, [1])]


async def test_what_quiet_hours_hold_is_not_given_up(autojump_clock: Clock) -> None:
    """Neither does a channel that works lose it, nor does one that fails keep it for ever."""
    hours = QUIET._replace(give_up_after=300)
    async with at_work(Desk(receiver.FakeService(), [hours])) as desk:
        desk.add(fresh(1, "a"))
        await trio.sleep(3600)
    assert (desk.messages, desk.faults) == ([(600.0, [1])], [])
    hours = hours._replace(quiet_hours=QuietHours(time(23), time(8), ZONE))
    async with at_work(Desk(receiver.FakeService({"phone": ["500"] * 99}), [hours])) as desk:
        urgent(desk, fresh(2, "b", "critical"))
        desk.add(fresh(3, "c"))
        await trio.sleep(3600)
    dead = [fault.numbers for fault in desk.faults if isinstance(fault, NoticesDied)]
    assert dead == [(2,), (3,)]


async def test_what_quiet_hours_hold_waits_for_the_next_life(autojump_clock: Clock) -> None:
    desk = Desk(receiver.FakeService(), [QUIET])
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.outbox.run)
        desk.add(fresh(1, "a"))
        await trio.sleep(10)
        await desk.outbox.drain()
    assert trio.current_time() == 10
    assert desk.messages == []
    again = Desk(receiver.FakeService(), [QUIET])
    again.outbox.restore(
        [
            Undelivered(fresh(1, "a"), "phone", 0),
            Undelivered(fresh(2, "b", kind="resolved"), "phone", 1, urgent=True),
        ]
    )
    async with at_work(again):
        await trio.sleep(3600)
    assert again.messages == [(10.0, [2]), (600.0, [1])]


# ------------------------------------------------------------------ own faults


def fault(number: int, kind: str, channel: str = "mail") -> Notice:
    notice: Notice = receiver.notice(
        number,
        OWN_FAULTS.name,
        kind="happened",
        happening=kind,
        target=Target(""),
        details={"channel": channel},
        at=outbox.now().utc,
    )
    return notice


async def test_of_own_faults_the_newest_of_a_kind_and_channel_waits(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500"] * 3})
    async with at_work(Desk(service)) as desk:
        desk.add(fault(1, "channel_failing"), fault(2, "channel_failing", "pager"))
        await trio.sleep(2.5)
        desk.add(fault(3, "channel_recovered"), fault(4, "channel_failing"))
        await trio.sleep(60)
    assert [attempt[2] for attempt in service.arrived] == [2, 3, 4]
    assert "2.5s phone #1 dead: superseded by #4" in desk.ledger.lines


async def test_a_fault_that_nobody_takes_is_not_announced(autojump_clock: Clock) -> None:
    """One about it would be refused like it, and so on."""
    service = receiver.FakeService({"phone": ["500"] * 99})
    async with at_work(Desk(service, [OutboxChannel("phone", give_up_after=400)])) as desk:
        desk.add(fault(1, "channel_failing"), fresh(2))
        await trio.sleep(300)
        desk.add(fault(3, "store_failing"))
        await trio.sleep(3600)
        service.script.clear()
        desk.add(fresh(4))
        await trio.sleep(60)
    assert desk.faults == [
        ChannelFailed("phone", 3, "500"),
        NoticesDied("phone", (2,), "500"),
        ChannelRecovered("phone"),
    ]


@pytest.mark.parametrize("seconds", [299, 301])
async def test_five_minutes_of_failures_are_told(autojump_clock: Clock, seconds: int) -> None:
    service = receiver.FakeService({"phone": ["500"] * 99})
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1))
        await trio.sleep(2 + seconds)
    told = [ChannelFailed("phone", 1, "500")] if seconds > 300 else []
    assert desk.faults == told
