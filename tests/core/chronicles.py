"""Worlds in which every happening of an account is told, and what they told in lines."""

from dataclasses import replace

from monitor.core.events import (
    Event,
    LeverageChanged,
    PollAnswered,
    SettingRow,
    UserStreamStood,
)
from monitor.core.notices import Notice, Saved
from monitor.core.rules import Severity
from tests.core.worlds import (
    EPOCH,
    World,
    at,
    happening_rule,
    poll,
)

KINDS = (
    "position_opened",
    "position_closed",
    "leverage_changed",
    "margin_type_changed",
    "deposit",
    "withdrawal",
    "funding",
)
MOVES, MONEY = KINDS[:2], KINDS[4:]
ALL = happening_rule("all", *KINDS, severity=Severity.INFO, cooldown=0)
SEEN = "seen_by_poll_at"


def line(notice: Notice) -> str:
    """Write a happening: "5s position_opened main/BTCUSDT/long quantity=0.1"."""
    facts = " ".join(
        f"polled={(int(value) - EPOCH) / 1000:g}s" if name == SEEN else f"{name}={value}"
        for name, value in notice.details.items()
    )
    times = f" x{notice.count}" if notice.count != 1 else ""
    return f"{(notice.at - EPOCH) / 1000:g}s {notice.happening} {notice.target}{times} {facts}"


def told(world: World) -> list[str]:
    """Write all that a world told."""
    return [line(notice) for notice in world.notices]


def begun(*rows: object, saved: Saved | None = None, start: float = 0) -> World:
    """A world that was polled once, with a user stream that stands."""
    world = World(ALL, saved=saved, start=start)
    world.tell(start + 0.5, UserStreamStood("main"))
    world.tell(start + 1, poll(start + 1, *rows))  # type: ignore[arg-type]  # rows
    return world


def configured(
    seconds: float, leverage: int, margin_type: str | None = None, *, after: int = 0
) -> PollAnswered:
    """A poll of all settings, of a symbol that is not held."""
    row = SettingRow("ETHUSDT", leverage, margin_type)
    return replace(poll(seconds, after=after), settings=(row,))


def leverage(seconds: float, value: int, *, seq: int = 1, at_: float | None = None) -> Event:
    """A leverage of ETHUSDT, heard at an instant and set at it or another one."""
    stamp = at(seconds if at_ is None else at_).utc
    return LeverageChanged("main", stamp, stamp, seq, "ETHUSDT", value)
