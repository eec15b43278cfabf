"""The weight budget: its gate, its minute, its queue and its pace; in virtual time."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from monitor.binance.budget import Budget, BudgetState, Rank
from monitor.binance.gate import banned_until, limit_status
from monitor.core.events import Now
from tests.binance.harness import START, now

LOG = logging.getLogger("test.budget")
URGENT, POLL, REFERENCE, EXTRA, PAST = Rank


def a_budget(**keys: float) -> Budget:
    return Budget(now=now, log=LOG, **keys)  # type: ignore[arg-type]  # numbers only


@dataclass
class Line:
    """Requests that wait for a budget: (seconds, name) as they were served."""

    budget: Budget
    nursery: trio.Nursery
    served: list[tuple[float, str]] = field(default_factory=list)

    async def ask(
        self, name: str, weight: int, rank: Rank = POLL, *, needed_at: int | None = None
    ) -> trio.CancelScope:
        scope = trio.CancelScope()
        self.nursery.start_soon(self._take, scope, name, weight, rank, needed_at)
        await wait_all_tasks_blocked()
        return scope

    async def _take(
        self, scope: trio.CancelScope, name: str, weight: int, rank: Rank, needed_at: int | None
    ) -> None:
        with scope:
            await self.budget.take(weight, rank=rank, needed_at=needed_at)
            self.served.append((round(trio.current_time(), 3), name))


@asynccontextmanager
async def queue(budget: Budget) -> AsyncGenerator[Line]:
    async with trio.open_nursery() as nursery:
        yield Line(budget, nursery)
        nursery.cancel_scope.cancel()


async def test_two_measures_of_one_clock_do_not_begin_a_minute_twice(
    autojump_clock: MockClock,
) -> None:
    """Each account measures the exchange's clock; around the turn of a minute they may differ."""
    budget = a_budget()
    await trio.sleep(59)
    assert budget.try_take(700, rank=POLL)
    await trio.sleep(1.1)
    assert budget.try_take(700, rank=POLL)
    budget.offset = -200  # by this one the last minute is not over
    assert not budget.try_take(700, rank=POLL)
    budget.offset = 0
    assert not budget.try_take(700, rank=POLL)
    assert budget.state.used_by_us == 700
    await trio.sleep(60)
    assert budget.try_take(700, rank=POLL)


async def test_forced_orders_of_the_past_go_after_all_other_reference_data(
    autojump_clock: MockClock,
) -> None:
    """Two hundred accounts that start have ten thousand of it to ask for."""
    async with queue(a_budget(max_share=0.05)) as line:
        await line.ask("poll", 100, POLL)
        for number in range(3):
            await line.ask(f"orders {number}", 50, PAST)
            await line.ask(f"brackets {number}", 1, REFERENCE)
        await trio.sleep(130)
    assert sorted(line.served) == [
        (0, "brackets 0"),
        (0, "brackets 1"),
        (0, "brackets 2"),
        (0, "poll"),
        (60, "orders 0"),
        (60, "orders 1"),
        (120, "orders 2"),
    ]


# ------------------------------------------------------------ the gate


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (418, 0, "", 418),
        (429, 0, "", 429),
        (400, -1003, "Too many requests; current limit is 2400 requests per minute.", 429),
        (0, -1003, "IP banned until 1615183669840.", 418),
        (400, -1003, "Way too many requests; IP banned.", 418),
        (400, -1102, "", None),
        (401, -2015, "", None),
        (503, -1008, "Request throttled by system-level protection.", None),
    ],
)
def test_refusals_about_limits_are_told_apart(
    status: int, code: int, message: str, kind: int | None
) -> None:
    assert limit_status(status, code, message) == kind


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("IP(1.2.3.4) banned until 1615183669840. Please", 1615183669840),
        ("banned until soon", None),
        ("banned until 1615183669.", None),
    ],
)
def test_the_end_of_a_ban_is_read_from_words(words: str, until: int | None) -> None:
    assert banned_until(words) == until


@pytest.mark.parametrize(
    ("status", "retry_at", "offset", "seconds"),
    [
        pytest.param(418, START + 90_000, 0, 90, id="a ban that says"),
        pytest.param(418, START + 90_000, 30_000, 60, id="by the exchange's clock"),
        pytest.param(418, None, 0, 120, id="a ban that does not"),
        pytest.param(418, START - 1, 0, 120, id="a ban that is over already"),
        pytest.param(418, 9_999_999_999_999, 0, 259_200, id="a ban beyond every document"),
        pytest.param(429, None, 0, 61, id="the minute"),
        pytest.param(429, None, 20_000, 41, id="what is left of the exchange's minute"),
        pytest.param(429, START + 80_000, 0, 80, id="the minute, and longer"),
    ],
)
def test_the_gate_closes_for(status: int, retry_at: int | None, offset: int, seconds: int) -> None:
    budget = Budget(now=lambda: Now(5, START))
    assert budget.refused(status, retry_at=retry_at, offset=offset) == seconds
    assert budget.closed_for == seconds


async def test_a_ban_is_told_once_however_often_it_is_said(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bans: list[tuple[int, str]] = []
    budget = Budget(now=now, on_ban=lambda *ban: bans.append(ban), log=LOG)
    for _ in range(3):
        budget.refused(418, retry_at=START + 90_000, offset=0, message="IP banned")
    budget.refused(418, retry_at=START + 95_000, offset=0, message="IP banned")
    assert bans == [(START + 90_000, "IP banned")]
    assert (budget.closed_for, budget.state.banned) == (95, True)
    assert caplog.messages == [
        "the exchange banned this address; nothing is asked for 90 s: IP banned"
    ]
    await trio.sleep(95)
    assert (budget.closed_for, budget.state.banned) == (0, False)
    assert caplog.messages[1:] == ["the ban is over; everything is asked again"]


async def test_a_ban_that_tells_no_end_lasts_twice_as_long_soon_after_the_last_one(
    autojump_clock: MockClock,
) -> None:
    budget = a_budget()
    waits = []
    for _ in range(3):
        waits.append(budget.refused(418, retry_at=None, offset=0))
        await budget.wait_open()
        budget.counted(7, 2400)
        await trio.sleep(1800)
    waits.append(budget.refused(418, retry_at=now().utc + 1000, offset=0))
    await budget.wait_open()
    await trio.sleep(3600)
    waits.append(budget.refused(418, retry_at=None, offset=0))
    assert waits == [120, 240, 480, 1, 120]  # an end that is told is believed


async def test_a_ban_that_an_earlier_run_was_told_of_is_kept_to(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bans: list[int] = []
    budget = Budget(now=now, on_ban=lambda until, _: bans.append(until), log=LOG)
    budget.resume_ban(START - 1)
    assert (budget.closed_for, caplog.messages) == (0, [])
    budget.resume_ban(START + 600_000)
    assert (budget.closed_for, budget.state.banned, bans) == (600, True, [])
    await budget.wait_open()
    assert trio.current_time() == 600
    assert budget.state.banned is False
    assert caplog.messages == [
        "the exchange banned this address before this start; nothing is asked for 600 s",
        "the ban is over; everything is asked again",
    ]


async def test_nothing_passes_a_closed_gate(autojump_clock: MockClock) -> None:
    budget = a_budget()
    budget.refused(418, retry_at=START + 90_000, offset=0)
    async with queue(budget) as line:
        await line.ask("poll", 10)
        await line.ask("handshake", 5, URGENT)
        assert not budget.try_take(1, rank=URGENT)
        assert budget.trouble == "the exchange banned this address; nothing is asked for 90 s"
        await trio.sleep(100)
    assert sorted(line.served) == [(90, "handshake"), (90, "poll")]
    assert budget.trouble == ""


async def test_after_a_429_the_next_minute_gets_less(autojump_clock: MockClock) -> None:
    budget = a_budget()
    await trio.sleep(10)
    assert budget.refused(429, retry_at=None, offset=0) == 51
    budget.refused(429, retry_at=None, offset=0)
    assert budget.state.share == 840
    shares = []
    for _ in range(5):
        await trio.sleep(60)
        shares.append(budget.state.share)
    assert shares == [960, 1080, 1200, 1200, 1200]


# ------------------------------------------------------------ the minute


async def test_our_share_is_never_exceeded_and_begins_anew_each_minute(
    autojump_clock: MockClock,
) -> None:
    budget = a_budget()
    async with queue(budget) as line:
        for number in range(5):
            await line.ask(str(number), 500)
        await trio.sleep(121)
    assert sorted(line.served) == [(0, "0"), (0, "1"), (60, "2"), (60, "3"), (120, "4")]


@pytest.mark.parametrize(("share", "at_once"), [(0.1, 2), (0.5, 12), (0.8, 19)])
async def test_the_share_is_the_operators_word(
    share: float, at_once: int, autojump_clock: MockClock
) -> None:
    budget = a_budget(max_share=share)
    async with queue(budget) as line:
        for number in range(30):
            await line.ask(str(number), 100)
        await wait_all_tasks_blocked()
        assert len(line.served) == at_once


async def test_the_minute_is_the_exchanges(autojump_clock: MockClock) -> None:
    budget = a_budget()
    budget.offset = 20_000
    async with queue(budget) as line:
        await line.ask("first", 1200)
        await line.ask("second", 1200)
        await trio.sleep(50)
    assert line.served == [(0, "first"), (40, "second")]


async def test_what_goes_out_as_a_minute_turns_counts_in_both(autojump_clock: MockClock) -> None:
    budget = a_budget()
    async with queue(budget) as line:
        await trio.sleep(59.7)
        await line.ask("before", 700)
        await trio.sleep(0.5)
        await line.ask("small", 500)
        await line.ask("large", 100)
        await trio.sleep(70)
    assert line.served == [(59.7, "before"), (60.2, "small"), (120, "large")]


async def test_others_on_the_address_leave_less(autojump_clock: MockClock) -> None:
    budget = a_budget()
    await trio.sleep(1)
    async with queue(budget) as line:
        await line.ask("ours", 100)
        await trio.sleep(1)
        budget.counted(1600, 2400)  # 1500 of them not ours: 420 are left below 80 %
        assert (budget.state.used_by_us, budget.state.used_total) == (100, 1600)
        await line.ask("fits", 320)
        await line.ask("does not", 1)
        await trio.sleep(1)
        assert [name for _, name in line.served] == ["ours", "fits"]
        # What they used in the last minute is expected of them again, until it fades.
        await trio.sleep(60)
        assert [name for _, name in line.served] == ["ours", "fits", "does not"]
        await line.ask("too much", 420)
        await trio.sleep(1)
        assert len(line.served) == 3
        await trio.sleep(60)
    assert line.served[3:] == [(120, "too much")]


async def test_who_is_needed_may_go_on_to_95_percent_but_never_beyond_our_share(
    autojump_clock: MockClock,
) -> None:
    budget = a_budget()
    await trio.sleep(1)
    budget.counted(2000, 2400)
    async with queue(budget) as line:
        await line.ask("idle", 10)
        await line.ask("holds", 200, needed_at=15_000)
        await line.ask("holds too", 200, needed_at=15_000)
        await trio.sleep(20)
        assert line.served == [(15, "holds")]
    own = a_budget(max_share=0.1)
    async with queue(own) as line:
        await line.ask("first", 240)
        await line.ask("needed", 10, needed_at=0)
        await trio.sleep(30)
        assert [name for _, name in line.served] == ["first"]


async def test_a_late_answer_of_the_last_minute_is_nobody_elses_use(
    autojump_clock: MockClock,
) -> None:
    budget = a_budget()
    await trio.sleep(59)
    asked_at = now().ticks
    await trio.sleep(4)
    budget.counted(2000, 2400, asked_at=asked_at)
    assert budget.state.used_total == 0
    budget.counted(2000, 2400, asked_at=now().ticks)
    assert budget.state.used_total == 2000


async def test_what_was_not_used_is_given_back(autojump_clock: MockClock) -> None:
    budget = a_budget()
    async with queue(budget) as line:
        await line.ask("all", 1200)
        await trio.sleep(1)
        await line.ask("more", 300)
        await trio.sleep(1)
        budget.give_back(300)
        await trio.sleep(1)
    assert line.served == [(0, "all"), (2, "more")]


# ------------------------------------------------------------ the queue


async def test_by_rank_then_by_who_waited_longest(autojump_clock: MockClock) -> None:
    budget = a_budget()
    async with queue(budget) as line:
        await line.ask("all", 1200)
        await trio.sleep(1)
        for name, rank in [
            ("past", PAST), ("extra", EXTRA), ("reference", REFERENCE), ("poll 1", POLL),
            ("poll 2", POLL), ("urgent", URGENT),
        ]:  # fmt: skip
            await line.ask(name, 1200, rank)
            await trio.sleep(1)
        assert (budget.state.waiting, budget.trouble) == (6, "it waits for the weight budget")
        await trio.sleep(360)
    assert line.served == [
        (0, "all"), (60, "urgent"), (120, "poll 1"), (180, "poll 2"), (240, "reference"),
        (300, "extra"), (360, "past"),
    ]  # fmt: skip


async def test_nobody_overtakes_what_does_not_fit_yet(autojump_clock: MockClock) -> None:
    budget = a_budget()
    async with queue(budget) as line:
        await line.ask("first", 1190)
        await trio.sleep(1)
        await line.ask("heavy", 50)
        await trio.sleep(1)
        await line.ask("light", 5)
        await trio.sleep(60)
    assert sorted(line.served) == [(0, "first"), (60, "heavy"), (60, "light")]


async def test_cancelled_ones_leave_no_trace(autojump_clock: MockClock) -> None:
    budget = a_budget()
    async with queue(budget) as line:
        await line.ask("all", 1200)
        await trio.sleep(1)
        scope = await line.ask("gone", 1200)
        await line.ask("next", 1200)
        await trio.sleep(1)
        scope.cancel()
        await trio.sleep(60)
        assert line.served == [(0, "all"), (60, "next")]
        # Cancelled at the very instant it is served: the weight is there for the next one.
        late = await line.ask("late", 1200)
        await line.ask("last", 1200)
        await wait_all_tasks_blocked()
        late.cancel()
        budget.give_back(1200)
        await wait_all_tasks_blocked()
    assert [name for _, name in line.served] == ["all", "next", "last"]


async def test_low_ranks_leave_what_this_minutes_polls_will_need(
    autojump_clock: MockClock,
) -> None:
    budget = a_budget()
    for _ in range(10):
        budget.join(10_000, lambda: None)  # 600 a minute
    async with queue(budget) as line:
        await line.ask("extra", 700, EXTRA)
        await line.ask("past", 100, PAST)
        assert not budget.try_take(1, rank=EXTRA)
        await line.ask("poll", 100)
        await trio.sleep(59)
    # 100 + 700 fit when 400 suffice for the polls still to come, and 100 more when 300 do.
    assert line.served == [(0, "poll"), (20, "extra"), (30, "past")]


async def test_no_rank_waits_for_ever(autojump_clock: MockClock) -> None:
    budget = a_budget()
    async with queue(budget) as line:
        await line.ask("all", 1200)
        await line.ask("reference", 50, REFERENCE)
        await line.ask("another", 50, REFERENCE)
        for minute in range(7):
            await trio.sleep_until(minute * 60 + 30)
            for number in range(5):  # one more than fits
                await line.ask(f"poll {minute} {number}", 300)
        await trio.sleep(60)
    found = {name: at for at, name in line.served}
    assert (found["reference"], found["another"]) == (300, 360)


async def test_what_is_heavier_than_a_share_gets_a_minute_of_its_own(
    autojump_clock: MockClock,
) -> None:
    budget = a_budget(max_share=0.01)
    async with queue(budget) as line:
        await line.ask("small", 1)
        await line.ask("heavy", 50)
        await line.ask("behind", 1)
        await trio.sleep(130)
    assert line.served == [(0, "small"), (60, "heavy"), (120, "behind")]


# ------------------------------------------------------------ the pace


@pytest.mark.parametrize(
    ("accounts", "limit", "stretch", "interval"),
    [
        pytest.param(12, 2400, 1.0, 10_000, id="a dozen are no trouble"),
        pytest.param(100, 2400, 7.25, 72_549, id="a hundred"),
        pytest.param(100, 100_000, 1.0, 10_000, id="a hundred, and enough"),
        pytest.param(1000, 2400, 60.0, 600_000, id="never promised: more than ten minutes"),
    ],
)
def test_polls_stretch_alike(accounts: int, limit: int, stretch: float, interval: int) -> None:
    budget = Budget(now=lambda: Now(0, START), log=LOG)
    shares = [budget.join(10_000, lambda: None) for _ in range(accounts)]
    budget.counted(0, limit)
    assert {share.interval for share in shares} == {interval}
    assert budget.state == BudgetState(
        0, 0, limit, limit // 2, stretch, interval, closed_for=0, banned=False, waiting=0
    )


async def test_who_holds_a_position_is_polled_twice_before_stale_while_others_crowd(
    autojump_clock: MockClock,
) -> None:
    budget = a_budget()
    holding, idle = (budget.join(10_000, lambda: None) for _ in range(2))
    idle.holding = False
    await trio.sleep(1)
    budget.counted(1980, 2400)
    assert (holding.interval, holding.needed_after, idle.needed_after) == (15_000, 15_000, None)
    assert idle.interval > 600_000 - 1


async def test_the_pace_is_as_ever_soon_after_the_others_have_gone_and_does_not_flutter(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    changes: list[tuple[float, int]] = []
    budget = a_budget()
    share = budget.join(10_000, lambda: changes.append((trio.current_time(), share.interval)))
    share.holding = False
    changes.clear()
    for minute in range(12):
        await trio.sleep_until(minute * 60 + 5)
        others = 1885 if minute < 3 else 0  # 35 are left below 80 %
        budget.counted(others, 2400)
        await trio.sleep_until(minute * 60 + 10)
        budget.counted(others + minute % 2, 2400)  # a little more or less is no news
    assert changes == [
        (5, 10_000),  # the exchange has told its limit
        (5, 24_874),
        (245, 10_000),  # after a whole minute without them
    ]
    assert caplog.messages == [
        (
            "the weight budget allows a poll every 25 s "
            "(accounts: 1; our share: 1200 of 2400 a minute; others use 1885)"
        ),
        (
            "the weight budget allows a poll every 10 s "
            "(accounts: 1; our share: 1200 of 2400 a minute; others use 1)"
        ),
    ]


async def test_a_minute_of_heavy_use_by_others_is_forgotten_two_minutes_later(
    autojump_clock: MockClock,
) -> None:
    """However little it leaves: what is stored is what holds now, not what has to be worked off."""
    budget = a_budget()
    share = budget.join(10_000, lambda: None)
    share.holding = False
    budget.counted(0, 2400)
    await trio.sleep(1)
    budget.counted(2399, 2400)
    intervals = [share.interval]
    for minute in range(1, 4):
        await trio.sleep_until(minute * 60 + 1)
        budget.counted(0, 2400)
        intervals.append(share.interval)
    assert intervals == [600_000, 600_000, 10_000, 10_000]
