"""What holds of happenings however their messages come."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events import (
    AccountChanged,
    Event,
    LeverageChanged,
)
from monitor.core.notices import Notice
from tests.core.chronicles import ALL, MONEY, MOVES, begun, configured, leverage, line, told
from tests.core.worlds import (
    World,
    change,
    filled,
    money,
    poll,
    position,
)

# ---------------------------------------------------------------- laws


What = tuple[str, str, str]
"""Kind, target, and the leverage where it is one."""


def _what(notice: Notice) -> What:
    return notice.happening or "", str(notice.target), notice.details.get("leverage", "")


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[AccountChanged | LeverageChanged], list[Event]]:
    """What happened, and what of it arrived when: late, twice, out of order, but all of it."""
    happened: list[AccountChanged | LeverageChanged] = []
    wallet = 1000
    for number in range(draw(st.integers(1, 10))):
        seconds, seq = 2 + number * 0.2, number + 1
        kind = draw(st.sampled_from(["position", "deposit", "withdrawal", "funding", "leverage"]))
        if kind == "position":
            symbol = draw(st.sampled_from(["BTCUSDT", "ETHUSDT"]))
            quantity = draw(st.sampled_from(["0", "0.1", "0.2", "-0.1"]))
            happened.append(change(seconds, filled(symbol, quantity), seq=seq))
        elif kind == "leverage":
            value = draw(st.sampled_from([10, 20, 30]))
            happened.append(leverage(seconds, value, seq=seq))  # type: ignore[arg-type]  # event
        else:
            wallet += 1 if kind == "deposit" else -1
            reason = {"deposit": "DEPOSIT", "withdrawal": "WITHDRAW"}.get(kind, "FUNDING_FEE")
            row = money(str(wallet), bc="1" if kind == "deposit" else "-1")
            happened.append(change(seconds, row, seq=seq, reason=reason))
    twice = draw(st.lists(st.sampled_from(happened)))
    arrived = draw(st.permutations(happened + twice))
    return happened, [replace(event, seq=seq) for seq, event in enumerate(arrived, 1)]


def _expected(happened: list[AccountChanged | LeverageChanged]) -> Counter[What]:
    expected: Counter[What] = Counter()
    sides: dict[str, str] = {}
    known = 10
    for event in happened:
        if isinstance(event, LeverageChanged):
            if event.leverage != known:
                expected["leverage_changed", "main/ETHUSDT", str(event.leverage)] += 1
            known = event.leverage
            continue
        for row in event.positions:
            side = "" if not row.quantity else "long" if row.quantity > 0 else "short"
            before = sides.get(row.symbol, "")
            sides[row.symbol] = side
            if side != before:
                expected["position_closed", f"main/{row.symbol}/{before}", ""] += bool(before)
                expected["position_opened", f"main/{row.symbol}/{side}", ""] += bool(side)
        kinds = {"DEPOSIT": "deposit", "WITHDRAW": "withdrawal", "FUNDING_FEE": "funding"}
        if event.reason in kinds:
            expected[kinds[event.reason], "main/USDT", ""] += 1
    return +expected


@given(_histories())
@settings(deadline=None)
def test_each_thing_is_told_once_however_its_messages_come(
    history: tuple[list[AccountChanged | LeverageChanged], list[Event]],
) -> None:
    happened, arrived = history
    world = begun()
    world.tell(1.5, configured(1.5, 10))
    world.tell(6, *arrived)
    assert Counter(map(_what, world.notices)) == _expected(happened)


@given(_histories(), st.integers(0, 20), st.data())
@settings(deadline=None)
def test_a_restart_at_any_point_tells_nothing_twice(
    history: tuple[list[AccountChanged | LeverageChanged], list[Event]],
    cut: int,
    data: st.DataObject,
) -> None:
    """In order up to the restart; what the old socket had yet to deliver is found by polls."""
    happened, _ = history
    before = happened[:cut]
    world = begun()
    world.tell(1.5, configured(1.5, 10))
    world.tell(4, *before)
    changes = [event for event in happened if isinstance(event, AccountChanged)]
    held = {row.symbol: row.quantity for event in changes for row in event.positions}
    rows = [position(symbol, str(quantity)) for symbol, quantity in held.items() if quantity]
    again = World(ALL, saved=world.saved(), start=10)
    for seconds in (11, 12, 13):
        again.tell(seconds, poll(seconds, *rows))
    late = [event for event in changes if event in before and event.balances]
    again.tell(14, *data.draw(st.permutations(late)))

    sides = Counter(what for what in map(_what, world.notices + again.notices) if what[0] in MOVES)
    # A position that came and went unseen is not told; nothing is told that did not happen.
    assert not sides - _expected(happened)
    told_before = Counter(what for what in map(_what, world.notices) if what[0] in MONEY)
    happened_before = _expected(before)
    assert told_before == Counter(
        {what: count for what, count in happened_before.items() if what[0] in MONEY}
    )
    assert [line(notice) for notice in again.notices if notice.happening in MONEY] == []
    restarted = World(ALL, saved=again.saved(), start=20)
    restarted.tell(21, poll(21, *rows))
    restarted.tell(22, poll(22, *rows))
    assert told(restarted) == []
