"""What a channel is sent, and when: tables in virtual time, then one story with everything real."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import trio.testing

from monitor.core.events import ChannelFailed, ChannelRecovered, NoticesDied, Now, OwnFault
from monitor.core.message import Message
from monitor.core.notices import Changes, Delivery, Notice, Target
from monitor.errors import CommitFailed
from monitor.notify import Notifier
from monitor.outbox import Leisure, Outbox, OutboxChannel
from monitor.store import Store, Undelivered

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")
make = receiver.notice

UTC = 1_767_322_800_000
DAY = 86_400


def now() -> Now:
    elapsed = round(trio.current_time() * 1000)
    return Now(elapsed, UTC + elapsed)


class Latest(Random):
    """Jitter that always takes the longest: back-offs of 1, 2, 4, ... seconds."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


class Ledger:
    """A store for the outbox that keeps lines."""

    def __init__(self, *, fails: bool = False) -> None:
        self.lines: list[str] = []
        self.fails = fails

    async def attempted(self, tries: Sequence[tuple[int, int]], channel: str, at: int) -> None:
        for number, attempt in tries:
            await self._keep(f"{(at - UTC) / 1000:g}s {channel} #{number} attempt {attempt}")

    async def answered(
        self,
        tries: Sequence[tuple[int, int]],
        channel: str,
        status: str,
        at: int,
        answer: str = "",
    ) -> None:
        del answer
        for number, _ in tries:
            if status == "sent":
                await self._keep(f"{(at - UTC) / 1000:g}s {channel} #{number} sent")

    async def died(self, number: int, channel: str, at: int, why: str) -> None:
        await self._keep(f"{(at - UTC) / 1000:g}s {channel} #{number} dead: {why}")

    async def _keep(self, line: str) -> None:
        await trio.lowlevel.checkpoint()
        self.lines.append(line)
        if self.fails:
            raise CommitFailed("the disk is full")


class Desk:
    """An outbox at work, on a fake service and a fake store."""

    def __init__(
        self, service: Any, channels: Sequence[OutboxChannel] = (), *, fails: bool = False
    ) -> None:
        self.service = service
        self.ledger = Ledger(fails=fails)
        self.faults: list[OwnFault] = []
        self.heard: list[tuple[str, list[int]]] = []
        self.outbox = Outbox(
            channels or [OutboxChannel("phone")],
            store=self.ledger,
            send=service.send,
            compose=receiver.compose,
            room=lambda _: 2000,
            tell=self.faults.append,
            heard=lambda name, told: self.heard.append((name, [one.number for one in told])),
            now=now,
            rng=Latest(),
            log=logging.getLogger("test.outbox"),
        )

    def add(self, *notices: Notice, channels: Sequence[str] = ("phone",)) -> None:
        self.outbox.add(notices, [Delivery(n.number, name) for n in notices for name in channels])

    @property
    def messages(self) -> list[tuple[float, list[int]]]:
        """(virtual time, numbers) of every message, whatever the channel."""
        return [(at, numbers) for at, _, numbers in self.service.messages]

    @property
    def attempts(self) -> list[tuple[Any, ...]]:
        """(virtual time, channel, number, attempt) of everything that was tried."""
        return [tuple(attempt) for attempt in self.service.attempts]


@asynccontextmanager
async def at_work(desk: Desk) -> AsyncIterator[Desk]:
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.outbox.run)
        yield desk
        nursery.cancel_scope.cancel()


def fresh(number: int, rule: str = "r", severity: str = "warning", **more: Any) -> Notice:
    """A notice of this instant."""
    notice: Notice = make(number, rule, severity, **{"at": now().utc, **more})
    return notice


Clock = trio.testing.MockClock

# ------------------------------------------------------------------ when and in which order

Story = list[tuple[float, list[tuple[int, str, str]]]]


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param(
            [(0, [(1, "a", "info")]), (1.5, [(2, "b", "warning")]), (2.5, [(3, "c", "info")])],
            [(2.0, 1), (2.0, 2), (4.5, 3)],
            id="due two seconds after the first that waits",
        ),
        pytest.param(
            [(0, [(1, "a", "info"), (2, "b", "info")]), (1, [(3, "c", "critical")])],
            [(1.0, 3), (1.0, 1), (1.0, 2)],
            id="a critical makes everything due and goes first",
        ),
        pytest.param(
            [
                (0, [(1, "a", "info"), (2, "c", "warning")]),
                (1, [(3, "c", "critical"), (4, "c", "critical")]),
            ],
            [(1.0, 2), (1.0, 3), (1.0, 4), (1.0, 1)],
            id="preceded by the waiting notices of its own alert",
        ),
        pytest.param(
            [(0, [(2, "b", "info"), (1, "a", "info"), (3, "a", "warning")])],
            [(2.0, 1), (2.0, 2), (2.0, 3)],
            id="otherwise the lowest number first",
        ),
    ],
)
async def test_what_waits_goes_out(
    story: Story, expected: list[tuple[float, int]], autojump_clock: Clock
) -> None:
    async with at_work(Desk(receiver.FakeService())) as desk:
        for at, notices in story:
            await trio.sleep_until(at)
            desk.add(*(fresh(*notice) for notice in notices))
        await trio.sleep(60)
    assert desk.attempts == [(at, "phone", number, 1) for at, number in expected]


async def test_an_all_clear_is_not_urgent(autojump_clock: Clock) -> None:
    """The severity of a resolved is the highest that the alert had."""
    async with at_work(Desk(receiver.FakeService())) as desk:
        desk.add(fresh(1, "a", "critical", kind="resolved"))
        await trio.sleep(60)
    assert desk.attempts == [(2.0, "phone", 1, 1)]


async def test_what_arrives_during_a_send_waits_anew(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService(takes=1))) as desk:
        desk.add(fresh(1, "a"))
        await trio.sleep(2.5)
        desk.add(fresh(2, "b"))
        await trio.sleep(60)
    assert desk.attempts == [(2.0, "phone", 1, 1), (4.5, "phone", 2, 1)]


async def test_at_most_one_message_is_under_way(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService(takes=3))) as desk:
        desk.add(fresh(1, "a"), fresh(2, "b"))
        await trio.sleep(3)
        desk.add(fresh(3, "c", "critical"))
        await trio.sleep(60)
    assert desk.messages == [(2.0, [1, 2]), (5.0, [3])]


async def test_one_channel_that_hangs_or_refuses_delays_no_other(autojump_clock: Clock) -> None:
    names = ["hangs", "refuses", "works"]
    service = receiver.FakeService({"hangs": ["hang"] * 9, "refuses": ["500"] * 9})
    channels = [OutboxChannel("works", group_wait=1)] + [OutboxChannel(n) for n in names[:2]]
    async with at_work(Desk(service, channels)) as desk:
        desk.add(fresh(1), channels=names)
        await trio.sleep(6)
        desk.add(fresh(2, "other"), channels=names)
        await trio.sleep(5)
    assert [a for a in desk.attempts if a[1] == "works"] == [
        (1.0, "works", 1, 1),
        (7.0, "works", 2, 1),
    ]
    assert [a for a in desk.attempts if a[1] == "hangs"] == [(2.0, "hangs", 1, 1)]
    assert desk.outbox.waiting == {"hangs": 2, "refuses": 2, "works": 0}


# ------------------------------------------------------------------ trying again


async def test_back_off_doubles_up_to_five_minutes(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500", "close"] * 6})
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1))
        await trio.sleep(1800)
    waits = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    instants = [2.0 + sum(waits[: n + 1]) for n in range(len(waits))]
    assert desk.attempts == [(at, "phone", 1, n) for n, at in enumerate(instants, 1)]


async def test_full_jitter_stays_within_the_doubling(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500"] * 8})
    desk = Desk(service)
    desk.outbox._boxes["phone"].rng = Random(1)
    async with at_work(desk):
        desk.add(fresh(1))
        await trio.sleep(1800)
    instants = [attempt[0] for attempt in desk.attempts]
    gaps = [after - before for before, after in pairwise(instants)]
    assert all(0 <= gap <= 2**n for n, gap in enumerate(gaps))
    assert len(gaps) == 8


async def test_an_unknown_outcome_is_tried_again_and_says_so(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService({"phone": ["hang"]}))) as desk:
        desk.add(fresh(1))
        await trio.sleep(60)
    assert desk.attempts == [(2.0, "phone", 1, 1), (18.0, "phone", 1, 2)]
    assert desk.ledger.lines == [
        "2s phone #1 attempt 1",
        "18s phone #1 attempt 2",
        "18s phone #1 sent",
    ]


async def test_order_within_an_alert_outlives_an_outage(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500"] * 12})
    async with at_work(Desk(service)) as desk:
        for number in range(1, 5):
            desk.add(fresh(number, "ab"[number % 2], "critical" if number == 4 else "warning"))
            await trio.sleep(10)
        await trio.sleep(3600)
    for alert in ({1, 3}, {2, 4}):
        arrived = [a.number for a in service.arrived if a.number in alert]
        assert arrived == sorted(alert)


async def test_a_new_critical_is_tried_at_once_and_caps_the_back_off(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500"] * 11})
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, "a"))
        await trio.sleep(150)  # the eighth attempt was at 129 s, the ninth would be at 257 s
        desk.add(fresh(2, "b", "critical"))
        await trio.sleep(300)
    assert desk.attempts[7:] == [
        (129.0, "phone", 1, 8),
        (150.0, "phone", 2, 1),
        (155.0, "phone", 2, 2),
        (160.0, "phone", 2, 3),
        (165.0, "phone", 2, 4),
        (165.0, "phone", 1, 9),
    ]


async def test_the_service_says_how_long_to_wait(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["429"]})
    service.retry_after = 20.0
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, "a"))
        await trio.sleep(5)
        desk.add(fresh(2, "b", "critical"))  # it would be refused again, and prolong the wait
        await trio.sleep(60)
    assert desk.attempts == [
        (2.0, "phone", 1, 1),
        (22.0, "phone", 2, 1),
        (22.0, "phone", 1, 2),
    ]


# ------------------------------------------------------------------ one notice at fault


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the outbox logged; a thread that an earlier test abandoned may still log its end."""
    return [record.getMessage() for record in caplog.records if record.name == "test.outbox"]


async def test_a_notice_refused_while_others_get_through_is_set_aside(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    service = receiver.FakeService(refuses=[1])
    channel = OutboxChannel("phone", give_up_after=650)
    async with at_work(Desk(service, [channel])) as desk:
        desk.add(fresh(1, "a"), fresh(2, "b"), fresh(3, "a"))
        await trio.sleep(1000)
    assert desk.messages == [
        (2.0, [1, 2, 3]),
        (3.0, [1, 2, 3]),
        (5.0, [1, 2, 3]),  # three times: taken apart
        (9.0, [1]),
        (17.0, [2]),  # the other alert gets through ...
        *[(at, [1]) for at in (17.0, 18.0, 20.0, 24.0)],  # ... so this notice is at fault,
        (24.0, [3]),  # and holds back no later one of its alert
        (324.0, [1]),
        (624.0, [1]),
    ]
    assert desk.ledger.lines[-1] == "650s phone #1 dead: given up after 0.180556 h: 500"
    assert desk.faults == [NoticesDied("phone", (1,), "500")]
    assert said(caplog) == [
        "channel phone: #1 #2 #3 refused: 500; it is tried again",
        "channel phone: #1 refused: 500; it is tried again",
        "channel phone: #1 is refused while others get through; last answer: 500",
        "channel phone: #1 is given up: 500",
    ]


async def test_two_notices_at_fault_do_not_hide_a_third(autojump_clock: Clock) -> None:
    service = receiver.FakeService(refuses=[1, 2])
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, "a"), fresh(2, "b"), fresh(3, "c"))
        await trio.sleep(200)
        assert [a.number for a in service.arrived] == [3]
        desk.add(fresh(4, "a"), fresh(5, "b"))
        await trio.sleep(200)
    assert sorted(a.number for a in service.arrived) == [3, 4, 5]


async def test_a_new_critical_goes_before_any_other_probe(autojump_clock: Clock) -> None:
    service = receiver.FakeService(refuses=[1])
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, "a"))
        await trio.sleep(10)  # refused four times
        desk.add(fresh(2, "b"), fresh(3, "c", "critical"))
        await trio.sleep(60)
    assert desk.messages[4:] == [(10.0, [3, 2]), (10.0, [1])]


async def test_an_outage_sets_nothing_aside(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500"] * 20})
    async with at_work(Desk(service)) as desk:
        desk.add(*(fresh(number, f"rule-{number}") for number in range(1, 6)))
        await trio.sleep(7200)
    first = service.arrived[0].at
    assert [a.at for a in service.arrived] == [first] * 5


async def test_a_notice_that_arrives_after_five_minutes_aside(autojump_clock: Clock) -> None:
    service = receiver.FakeService(refuses=[1])
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, "a"), fresh(2, "b"))
        await trio.sleep(60)
        service.refuses.clear()
        await trio.sleep(600)
    assert [(a.at, a.number, a.attempt) for a in service.arrived] == [(17.0, 2, 4), (324.0, 1, 9)]
    assert desk.outbox.waiting == {"phone": 0}


# ------------------------------------------------------------------ what never arrives


async def test_what_is_too_old_is_given_up(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    service = receiver.FakeService({"phone": ["500"] * 1000})
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, at=UTC - (DAY - 60) * 1000))
        await trio.sleep(3600)
    assert desk.ledger.lines[-1] == "60s phone #1 dead: given up after 24 h: 500"
    assert said(caplog) == [
        "channel phone: #1 refused: 500; it is tried again",
        "channel phone: #1 is given up: 500",
    ]


@pytest.mark.parametrize(
    ("answers", "ends"),
    [
        ([], "0s phone #1 sent"),
        (["500"] * 9, "0s phone #1 dead: given up after 24 h: 500"),
    ],
)
async def test_what_became_too_old_while_nothing_ran_is_attempted_once(
    autojump_clock: Clock, answers: list[str], ends: str
) -> None:
    desk = Desk(receiver.FakeService({"phone": answers}))
    old = fresh(1, severity="critical", at=UTC - 3 * DAY * 1000)
    desk.outbox.restore([Undelivered(old, "phone", 2, urgent=True)])
    async with at_work(desk):
        await trio.sleep(3600)
    assert desk.ledger.lines == ["0s phone #1 attempt 3", ends]


async def test_a_newer_reminder_replaces_an_undelivered_one(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500"] * 2})
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1, "a", kind="reminder"), fresh(2, "b", kind="reminder"), fresh(3, "a"))
        await trio.sleep(3.5)
        desk.add(fresh(4, "a", kind="reminder"))
        await trio.sleep(60)
    assert [a.number for a in service.arrived] == [2, 3, 4]
    assert "3.5s phone #1 dead: superseded by #4" in desk.ledger.lines


@pytest.mark.parametrize(("answer", "arrived"), [("ok", [1, 2]), ("500", [2])])
async def test_a_reminder_under_way_is_replaced_only_if_it_fails(
    answer: str, arrived: list[int], autojump_clock: Clock
) -> None:
    async with at_work(Desk(receiver.FakeService({"phone": [answer]}, takes=2))) as desk:
        desk.add(fresh(1, kind="reminder"))
        await trio.sleep(3)
        desk.add(fresh(2, kind="reminder"))
        await trio.sleep(60)
    assert [a.number for a in desk.service.arrived] == arrived


# ------------------------------------------------------------------ a second life


async def test_what_an_earlier_run_left_goes_out_with_its_attempt(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(receiver.FakeService())
    desk.outbox.restore(
        [
            Undelivered(fresh(1, "a"), "phone", 1),
            Undelivered(fresh(2, "b"), "gone", 0),
            Undelivered(fresh(3, "c"), "phone", 0),
        ]
    )
    async with at_work(desk):
        await trio.sleep(60)
    assert desk.attempts == [(0.0, "phone", 1, 2), (0.0, "phone", 3, 1)]
    assert "0s gone #2 dead: this channel no longer exists" in desk.ledger.lines
    assert said(caplog) == [
        "channel gone no longer exists: given up is what it had yet to hear: #2"
    ]


async def test_a_store_that_fails_holds_up_nothing(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService({"phone": ["500"]}), fails=True)) as desk:
        desk.add(fresh(1, "a"), fresh(2, "b"))
        await trio.sleep(60)
    assert desk.attempts == [
        (2.0, "phone", 1, 1),
        (2.0, "phone", 2, 1),
        (3.0, "phone", 1, 2),
        (3.0, "phone", 2, 2),
    ]


async def test_a_notice_is_taken_in_once(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService())) as desk:
        desk.add(fresh(1))
        desk.add(fresh(1))
        await trio.sleep(60)
    assert len(desk.attempts) == 1


async def test_a_text_that_cannot_be_made_stops_nobody(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sent = []

    async def send(channel: str, message: Message) -> Any:
        await trio.lowlevel.checkpoint()
        sent.append(tuple(message))
        return receiver.Sent("sent")

    desk = Desk(receiver.FakeService())
    desk.outbox._send = send
    desk.outbox._compose = lambda tried, _: Message(f"fine {1 / (tried[0].notice.number - 1)}", "")
    async with at_work(desk):
        desk.add(fresh(1), fresh(2))
        await trio.sleep(10)
        desk.add(fresh(3))
        await trio.sleep(60)
    assert sent == [
        ("#1 fired: main/BTCUSDT", "#2 fired: main/BTCUSDT"),
        ("fine 0.5", ""),
    ]
    assert said(caplog) == ["#1 #2 cannot be put into words; this is a bug"]


# ------------------------------------------------------------------ own faults


async def test_a_failing_channel_is_logged_once_and_its_recovery_too(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    service = receiver.FakeService({"phone": ["500"] * 12})
    async with at_work(Desk(service)) as desk:
        desk.add(fresh(1))
        await trio.sleep(301)
        assert desk.outbox.failing == frozenset()
        await trio.sleep(2)
        assert desk.outbox.failing == {"phone"}
        await trio.sleep(3600)
    assert desk.outbox.failing == frozenset()
    assert desk.faults == [ChannelFailed("phone", 1, "500"), ChannelRecovered("phone")]
    assert said(caplog) == [
        "channel phone: #1 refused: 500; it is tried again",
        "channel phone: nothing got through for 5 min; 1 wait; last answer: 500",
        "channel phone: messages get through again",
    ]


# ------------------------------------------------------------------ the end


async def finished(desk: Desk) -> float:
    began = trio.current_time()
    await desk.outbox.drain()
    return trio.current_time() - began


async def test_the_last_round_gives_each_notice_one_more_attempt(autojump_clock: Clock) -> None:
    names = ["fine", "refuses", "hangs"]
    service = receiver.FakeService({"refuses": ["500"] * 99, "hangs": ["hang"] * 99})
    desk = Desk(service, [OutboxChannel(name) for name in names])
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.outbox.run)
        desk.add(fresh(1, "a"), channels=names)
        await trio.sleep(30)
        service.attempts.clear()
        desk.add(fresh(2, "a"), fresh(3, "b"), channels=names)  # they wait for their group
        assert await finished(desk) == 10
    began = 30.0
    assert sorted(a for a in desk.attempts if a[1] != "hangs") == [
        (began, "fine", 2, 1),
        (began, "fine", 3, 1),
        (began, "refuses", 1, 6),
        (began, "refuses", 3, 1),  # not 2: it would overtake 1
    ]
    assert desk.outbox.waiting == {"fine": 0, "refuses": 3, "hangs": 3}


async def test_the_last_round_ends_as_soon_as_it_can(autojump_clock: Clock) -> None:
    desk = Desk(receiver.FakeService(takes=1))
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.outbox.run)
        desk.add(fresh(1), fresh(2))
        assert await finished(desk) == 1
    assert await finished(desk) == 0, "nobody runs any more"


async def test_what_is_under_way_when_the_end_comes_has_one_more_attempt(
    autojump_clock: Clock,
) -> None:
    service = receiver.FakeService({"phone": ["500"]}, takes=2)
    desk = Desk(service)
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.outbox.run)
        desk.add(fresh(1))
        await trio.sleep(3)
        assert await finished(desk) == 3
    assert desk.attempts == [(2.0, "phone", 1, 1), (4.0, "phone", 1, 2)]


async def test_the_last_round_respects_what_the_service_asked_for(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["429"]})
    service.retry_after = 3600.0
    desk = Desk(service)
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.outbox.run)
        desk.add(fresh(1))
        await trio.sleep(3)
        assert await finished(desk) == 0
    assert len(desk.attempts) == 1


# ------------------------------------------------------------------ the same again, twice


async def test_the_same_story_is_told_the_same_way(autojump_clock: Clock) -> None:
    logs = []
    for _ in range(2):
        began = trio.current_time()
        desk = Desk(receiver.FakeService({"phone": ["500", "hang", "ok"] * 20}, refuses=[7]))
        desk.outbox._boxes["phone"].rng = Random(4)
        async with at_work(desk):
            for number in range(1, 30):
                severity = "critical" if number % 11 == 0 else "info"
                desk.add(fresh(number, f"rule-{number % 5}", severity))
                await trio.sleep(number % 4)
            await trio.sleep(7200)
        logs.append([(round(at - began, 3), *rest) for at, *rest in desk.attempts])
    assert logs[0] == logs[1]
    assert len(logs[0]) > 40


# ------------------------------------------------------------------ whatever happens


class Weather:
    """A service with good and bad hours; every outcome is drawn from a seed.

    Each channel draws from its own: which of two tasks Trio runs first must not change the story.
    """

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.draws = {name: Random(f"{seed}-{name}") for name in ("phone", "mail")}
        self.under_way: set[str] = set()
        self.arrived: list[tuple[str, int, int]] = []
        self.refused: Counter[tuple[str, int]] = Counter()
        """How often in this life."""
        self.aside: set[tuple[str, int]] = set()
        """What was refused five times in one life, and may be overtaken from then on."""

    def begin_life(self) -> None:
        self.under_way.clear()
        self.refused.clear()

    async def send(self, channel: str, message: Message) -> Any:
        assert channel not in self.under_way, "two messages under way"
        self.under_way.add(channel)
        try:
            return await self._send(channel, receiver.read(message))
        finally:
            self.under_way.discard(channel)

    async def _send(self, channel: str, tried: Sequence[tuple[int, int]]) -> Any:
        good = int(trio.current_time() / 600) % 2
        draw = self.draws[channel]
        outcome = draw.choices(["ok", "500", "close", "hang"], [9 if good else 1, 2, 1, 1])[0]
        await trio.sleep(draw.choice([0, 0.1, 3]))
        if outcome != "500":  # a service that gives no answer may have taken it
            self.arrived += [(channel, *each) for each in tried]
        await trio.sleep(15 if outcome == "hang" else 0)
        for number, _ in tried if len(tried) == 1 else ():
            self.refused[channel, number] += outcome != "ok"
            if self.refused[channel, number] == 5:
                self.aside.add((channel, number))
        return receiver.Sent(receiver.BEHAVIOURS[outcome], outcome)


async def one_life(
    data_dir: Path, weather: Weather, numbers: Sequence[int], seconds: float
) -> Path:
    """Live on a data_dir, then crash; return the folder as the crash left it."""
    desk = Desk(weather, [OutboxChannel("phone"), OutboxChannel("mail")])
    store = Store.open(data_dir, utc=UTC, in_thread=receiver.inline)
    desk.outbox._store = store
    desk.outbox.restore(store.undelivered())
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        await nursery.start(desk.outbox.run)
        for number in numbers:
            severity = weather.rng.choice(["info", "warning", "critical"])
            notices = (fresh(number, f"rule-{number % 3}", severity),)
            deliveries = tuple(Delivery(number, name) for name in ("phone", "mail"))
            await store.commit(Changes(notices=notices, deliveries=deliveries))
            desk.outbox.add(notices, deliveries)
            await trio.sleep(weather.rng.expovariate(0.05))
        await trio.sleep(seconds)
        after = copied(data_dir)
        nursery.cancel_scope.cancel()
    await store.aclose()
    return after


def copied(data_dir: Path) -> Path:
    after = data_dir.with_name(data_dir.name + "+")
    after.mkdir()
    for file in data_dir.iterdir():
        (after / file.name).write_bytes(file.read_bytes())
    return after


@pytest.mark.parametrize("seed", range(8))
async def test_across_crashes_nothing_is_lost_and_nothing_comes_twice_unmarked(
    seed: int, tmp_path: Path, autojump_clock: Clock
) -> None:
    weather = Weather(seed)
    data_dir = tmp_path / "life"
    for first in range(1, 41, 8):
        weather.begin_life()
        numbers = range(first, first + 8)
        data_dir = await one_life(data_dir, weather, numbers, weather.rng.uniform(0, 20))
    weather.begin_life()
    data_dir = await one_life(data_dir, weather, (), 4 * 3600)
    store = Store.open(data_dir, utc=UTC, in_thread=receiver.inline)
    assert store.undelivered() == []
    await store.aclose()
    for channel in ("phone", "mail"):
        arrived = [
            (number, attempt) for name, number, attempt in weather.arrived if name == channel
        ]
        assert {number for number, _ in arrived} == set(range(1, 41))
        assert len(set(arrived)) == len(arrived), "the same attempt twice"
        firsts = list(dict.fromkeys(number for number, _ in arrived))
        kept = [number for number in firsts if (channel, number) not in weather.aside]
        assert len(kept) > 20
        for alert in range(3):
            in_order = [number for number in kept if number % 3 == alert]
            assert in_order == sorted(in_order)


# ------------------------------------------------------------------ everything real


def told(number: int, rule: str, channels: Sequence[str]) -> Changes:
    notice = make(number, rule, "critical", target=Target("main", "BTCUSDT"), at=UTC)
    return Changes(notices=(notice,), deliveries=tuple(Delivery(number, name) for name in channels))


def numbers(message: str) -> list[str]:
    return [line.split()[0] for line in message.splitlines()]


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - what changes is in another thread
            await trio.sleep(0.01)


async def test_nothing_is_lost_between_a_real_store_and_a_real_service(tmp_path: Path) -> None:
    """Answers of 500, and none at all; a second channel hangs; then a second life."""
    names = ["phone", "stuck"]
    with (
        receiver.Receiver(["500", "500", "ok", "close"]) as server,
        receiver.Receiver(["hang"] * 99) as hung,
    ):
        notifiers = {
            "phone": Notifier("phone", server.url),
            "stuck": Notifier("stuck", f"{hung.url}?rto=60"),  # else it gives up after 4 s
        }
        for notifier in notifiers.values():
            await notifier.load()

        def outbox(store: Store) -> Outbox:
            return Outbox(
                [OutboxChannel(name) for name in names],
                store=store,
                send=lambda channel, message: notifiers[channel].send(message),
                compose=lambda tried, _: Message(
                    "",
                    "\n".join(
                        f"#{each.notice.number} {each.notice.rule} (attempt {each.attempt})"
                        for each in tried
                    ),
                ),
                room=lambda _: 2000,
                now=lambda: Now(0, UTC),
                rng=Random(1),
                log=logging.getLogger("test.outbox"),
            )

        store = Store.open(tmp_path, utc=UTC)
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            box = outbox(store)
            await nursery.start(box.run)
            for number, rule in enumerate("abab", 1):
                changes = told(number, rule, names)
                await store.commit(changes)
                box.add(changes.notices, changes.deliveries)
            await until(lambda: box.waiting["phone"] == 0)
            await box.drain(0.2)
            nursery.cancel_scope.cancel()
        await store.aclose()

        assert hung.messages == ["#1 a (attempt 1)"]
        lines = [line for message in server.messages for line in message.splitlines()]
        assert {line.split()[0] for line in lines} == {"#1", "#2", "#3", "#4"}
        assert len(lines) == len(set(lines)), "the same attempt twice"
        assert [numbers(message) for message in server.messages] == [
            *[["#1"]] * 3,
            *[["#2", "#4", "#3"]] * 2,
        ]

        hung.script.clear()
        hung.release.set()
        store = Store.open(tmp_path, utc=UTC)
        left = store.undelivered()
        assert [(p.notice.number, p.channel, p.attempts) for p in left] == [
            (1, "stuck", 1),
            *((number, "stuck", 0) for number in (2, 3, 4)),
        ]
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            box = outbox(store)
            box.restore(left)
            await nursery.start(box.run)
            await until(lambda: box.waiting["stuck"] == 0)
            nursery.cancel_scope.cancel()
        await store.aclose()
        assert hung.messages[1].splitlines() == [
            "#1 a (attempt 2)",
            "#3 a (attempt 1)",
            "#2 b (attempt 1)",
            "#4 b (attempt 1)",
        ]


# ---------------------------------------------------------------- other channels


GONE = "dead: this channel no longer exists"


@pytest.mark.parametrize(
    ("outcome", "ends"),
    [
        ("ok", ["3s phone #1 sent", "3s phone #2 sent", f"3s phone #3 {GONE}"]),
        ("500", [f"3s phone #3 {GONE}", f"3s phone #1 {GONE}", f"3s phone #2 {GONE}"]),
    ],
)
async def test_a_channel_is_taken_out_while_a_message_is_on_its_way(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture, outcome: str, ends: list[str]
) -> None:
    """What is on its way ends by itself; the rest is given up, and it too if it is refused."""
    service = receiver.FakeService({"phone": [outcome]}, takes=3)
    async with at_work(
        Desk(service, [OutboxChannel("phone", 0), OutboxChannel("desk", 0)])
    ) as desk:
        desk.add(fresh(1), fresh(2), channels=["phone", "desk"])
        await trio.sleep(1)
        desk.add(fresh(3), channels=["phone"])
        desk.outbox.replace([OutboxChannel("desk", 0)])
        await trio.sleep(60)
        assert desk.outbox.waiting == {"desk": 0}
    assert [line for line in desk.ledger.lines if "phone" in line] == [
        "0s phone #1 attempt 1",
        "0s phone #2 attempt 1",
        *ends,
    ]
    given_up = "channel phone no longer exists: given up is what it had yet to hear: #3"
    assert said(caplog)[0] == given_up
    assert [attempt[:3] for attempt in desk.attempts if attempt[1] == "desk"] == [
        (0.0, "desk", 1),
        (0.0, "desk", 2),
    ]


async def test_a_channel_that_failed_in_an_earlier_run_recovers_in_this_one(
    autojump_clock: Clock,
) -> None:
    """One that nothing waits for counts as any other until it fails anew."""
    desk = Desk(receiver.FakeService(), [OutboxChannel("phone", 0), OutboxChannel("mail", 0)])
    left = [Undelivered(make(1, at=UTC), "phone", 9)]
    desk.outbox.restore(left, failing=["phone", "mail", "gone"])
    assert desk.outbox.failing == {"phone"}
    async with at_work(desk):
        await trio.sleep(1)
    assert (desk.faults, desk.outbox.failing) == ([ChannelRecovered("phone")], frozenset())


async def test_a_channel_that_is_new_begins_to_send(autojump_clock: Clock) -> None:
    async with at_work(Desk(receiver.FakeService(), [OutboxChannel("phone", 0)])) as desk:
        await trio.sleep(1)
        desk.outbox.replace([OutboxChannel("phone", 0), OutboxChannel("desk", 5)])
        desk.add(fresh(1), channels=["phone", "desk"])
        await trio.sleep(10)
        desk.outbox.replace([OutboxChannel("phone", 0), OutboxChannel("desk", 0)])
        desk.add(fresh(2), channels=["desk"])
        await trio.sleep(10)
    assert desk.attempts == [
        (1.0, "phone", 1, 1),
        (6.0, "desk", 1, 1),
        (11.0, "desk", 2, 1),
    ]


async def test_a_channel_that_leads_elsewhere_forgets_what_was_refused(
    autojump_clock: Clock,
) -> None:
    service = receiver.FakeService(refuses=[1])
    async with at_work(Desk(service, [OutboxChannel("phone", 0)])) as desk:
        desk.add(fresh(1, "a"), *(fresh(number, f"r{number}") for number in range(2, 8)))
        await trio.sleep(60)
        tries = len([one for one in desk.attempts if one[2] == 1])
        service.refuses.clear()
        desk.outbox.replace([OutboxChannel("phone", 0)], anew=["phone"])
        await trio.sleep(1)
        assert desk.outbox.waiting == {"phone": 0}
    assert desk.attempts[-1] == (60.0, "phone", 1, tries + 1)


# ------------------------------------------------------------------ what is no notice


async def test_what_got_through_is_told_once(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["500", "hang"]})
    async with at_work(
        Desk(service, [OutboxChannel("phone", 0), OutboxChannel("desk", 0)])
    ) as desk:
        desk.add(fresh(1), channels=["phone", "desk"])
        await trio.sleep(60)
        assert desk.heard == [("desk", [1]), ("phone", [1])]


async def leisure(desk: Desk, seconds: float = 0.1, begun: int = 0) -> str:
    await trio.sleep(seconds)
    return desk.outbox.leisure("phone", begun).value


async def test_there_is_time_for_a_picture_when_no_text_wants_the_channel(
    autojump_clock: Clock,
) -> None:
    service = receiver.FakeService(takes=5)
    async with at_work(Desk(service, [OutboxChannel("phone", 2)])) as desk:
        assert await leisure(desk) == "free"
        desk.add(fresh(1))
        assert await leisure(desk) == "free", "it is not due yet"
        assert await leisure(desk, 2) == "later", "it is under way"
        assert await leisure(desk, 5) == "free"
        desk.add(fresh(2, severity="critical"))
        assert await leisure(desk) == "later", "it is under way"
        desk.add(fresh(3), fresh(4, "other", severity="critical"))
        assert await leisure(desk) == "none", "a critical waits"
        assert await leisure(desk, 20) == "free"
        desk.outbox.replace([])
        assert desk.outbox.leisure("phone", 0) is Leisure.NONE


async def test_there_is_none_while_a_channel_fails_or_is_full(autojump_clock: Clock) -> None:
    service = receiver.FakeService({"phone": ["429-header"]})
    phone = OutboxChannel("phone", 0, max_per_minute=3)
    async with at_work(Desk(service, [phone])) as desk:
        desk.add(fresh(1))
        assert await leisure(desk) == "later", "it asked to wait"
        assert await leisure(desk, 10) == "free"
        assert await leisure(desk, begun=1) == "later", "two texts and a picture are three"
        assert await leisure(desk, 60, begun=2) == "free"
        assert await leisure(desk, begun=3) == "later"


async def test_there_is_none_at_the_end(autojump_clock: Clock) -> None:
    service = receiver.FakeService(takes=3)
    async with at_work(Desk(service, [OutboxChannel("phone", 0)])) as desk:
        desk.add(fresh(1))
        assert await leisure(desk) == "later"
        desk.outbox._boxes["phone"].begin_last_round()
        assert await leisure(desk) == "none"
