"""The daily message: what it says, to whom, and that nothing holds it back."""

from datetime import UTC

from monitor.core.engine import NOBODY
from monitor.core.events import PollAnswered, SilenceWanted, StillHere, StoreReplaced
from monitor.core.message import compose
from monitor.core.notices import Notice
from monitor.core.routing import Channel
from monitor.core.rules import OWN_FAULTS, Globs, Severity
from tests.core.worlds import CLOSE, FAR, World, near, poll, position

INFO, WARNING = Severity.INFO, Severity.WARNING
NOON = StillHere(up=12 * 86_400_000, waiting={"phone": 0})


def text(notice: Notice) -> list[str]:
    message = compose(notice, OWN_FAULTS, now_utc=notice.at, zone=UTC)
    return [message.title, *message.body.splitlines()]


def daily(world: World) -> list[Notice]:
    return [notice for notice in world.notices if notice.happening == "still_here"]


def test_what_it_says() -> None:
    world = World(near(), channels=[Channel("phone")], accounts=["main", "swing", "new"])
    eth = position("ETHUSDT", "-1", "3000", mark="3000", liq="3600")
    world.tell(1, poll(1, CLOSE, eth), poll(1, account="swing"))
    world.tell(2, SilenceWanted(7_200_000, rules=("loss",)))
    world.tell(3, StillHere(12 * 86_400_000, {"phone": 3, "mail": 0}, ("phone",)))
    (notice,) = daily(world)
    assert (notice.kind, notice.severity, notice.rule, notice.count) == (
        "happened",
        INFO,
        "marginwatch",
        1,
    )
    assert text(notice) == [
        "INFO: marginwatch: still here, nearest BTCUSDT long (main) 1.8 % from liquidation",
        "watching for 12 d: 3 accounts, 2 positions; firing: 1 warning",
        "main: 2 positions, nearest BTCUSDT long 1.8 % from liquidation",
        "swing: no positions",
        "new: not seen yet",
        "not delivered yet: 3 for phone (nothing gets through)",
        "silence 1 until 05:00:02: --rule 'loss'",
        f"#{notice.number} · 2026-01-02 03:00:03 UTC",
    ]


def test_what_it_says_of_a_quiet_day_and_of_what_is_not_seen() -> None:
    world = World(channels=[Channel("phone")])
    world.tell(1, poll(1))
    world.tell(2, NOON)
    assert text(daily(world)[0])[:-1] == [
        "INFO: marginwatch: still here",
        "watching for 12 d: 1 account, 0 positions; nothing fires",
        "main: no positions",
        "every notice was delivered",
    ]
    world = World(channels=[Channel("phone")])
    world.tell(1, poll(1, FAR))
    world.tell(100, NOON)
    assert text(daily(world)[0])[2] == (
        "main: no fresh numbers; last seen: 1 position, nearest BTCUSDT long 12.9 % from"
        " liquidation"
    )


def test_of_very_many_accounts_twenty_have_a_line() -> None:
    names = [f"a{number:02}" for number in range(25)]
    world = World(channels=[Channel("phone")], accounts=names)
    polls: list[PollAnswered] = [poll(1, account=name) for name in names]
    world.tell(1, *polls)
    world.tell(2, NOON)
    said = text(daily(world)[0])
    assert said[21:24] == [
        "a19: no positions",
        "and 5 more accounts",
        "every notice was delivered",
    ]


def test_it_goes_to_whoever_takes_info_of_everything() -> None:
    channels = [
        Channel("phone"),
        Channel("pager", WARNING),
        Channel("swings", accounts=Globs(["swing"])),
        Channel("losses", rules=Globs(["loss"])),
        Channel("calm", rules=Globs(["*", "!marginwatch"])),
        Channel("desk", accounts=Globs(["main", "sw*"]), rules=Globs(["*", "!loss"])),
    ]
    world = World(near(), channels=channels, accounts=["main", "swing"])
    world.tell(1, NOON)
    (notice,) = daily(world)
    assert world.heard == {"phone": [notice.number], "desk": [notice.number]}
    assert not world.remarks


def test_where_nobody_takes_it_the_log_says_so_and_it_is_kept() -> None:
    world = World(channels=[Channel("pager", WARNING)])
    world.tell(1, NOON)
    assert len(daily(world)) == 1
    assert [(remark.level, remark.text) for remark in world.remarks] == [("warning", NOBODY)]


def test_neither_a_silence_nor_a_cooldown_holds_it() -> None:
    world = World(near(), channels=[Channel("phone")])
    world.tell(1, SilenceWanted(7_200_000))
    for seconds in (2, 3, 4):
        world.tell(seconds, NOON)
    world.tell(5, StoreReplaced("x"))
    world.tell(3600)
    numbers = [notice.number for notice in daily(world)]
    assert len(numbers) == 3
    assert [number for number in world.heard["phone"] if number in numbers] == numbers


def test_it_is_not_urgent() -> None:
    world = World(channels=[Channel("phone")])
    outcome = world.tell(1, NOON)
    assert [delivery.urgent for delivery in outcome.deliveries] == [False]
