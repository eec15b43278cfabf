"""Whether the watch is well: one predicate for the heartbeat, for systemd and for whoever asks.

Well is: every account is fresh, the engine takes its turns, the last commit succeeded, and some
channel that takes criticals gets its messages through. It is asked as "what ails you?", so that who
holds something back can say why.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import trio

from monitor.app.wiring import Doors, channels_of
from monitor.config import Config
from monitor.core.portfolio import Account
from monitor.core.routing import critical_channels
from monitor.core.rules import Rule
from monitor.core.wording import among, count
from monitor.outbox import Outbox
from monitor.store import Store

IDLE = 60_000
"""Milliseconds without a turn of the engine that are too many, where there is no heartbeat."""

LEAST_IDLE = 5_000
"""Milliseconds, before scale, that are never too many: a quiet engine is looked after every 2 s."""

LOOK = 1.0
"""Seconds, before scale, between two looks at what is not well."""

WORTH_A_LINE = 5.0
"""Seconds, before scale: what is not well for less is held back without a line in the log."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be seen of a watch at one instant."""

    accounts: Collection[Account]
    idle: int
    """Milliseconds since the engine ended its last turn."""
    patience: int
    """… and how many are too many."""
    store_failing: bool
    critical_channels: Collection[str]
    """Names of the channels that take criticals."""
    failing_channels: Collection[str]


def ailments(signs: Signs, *, channels: bool = True) -> list[str]:
    """Tell what is not well, a sentence each, without secrets; nothing: all is well.

    Args:
        signs: What can be seen.
        channels: Whether channels count. A service that is down is no reason to start anew.
    """
    found = []
    blind = [account.name for account in signs.accounts if account.stale_since is not None]
    if blind:
        found.append(f"no fresh numbers of {among(blind)}")
    if signs.idle >= signs.patience:
        found.append(f"the engine has not moved for {signs.idle / 1000:.0f} s")
    if signs.store_failing:
        found.append("the store cannot be written")
    if channels and not set(signs.critical_channels) - set(signs.failing_channels):
        names = sorted(signs.critical_channels)
        found.append(
            f"nothing gets through to {among(names)}, and no other channel takes criticals"
            if names
            else "no channel takes criticals"
        )
    return found


def patience(every: int | None, scale: float) -> int:
    """Tell how long the engine may stand still.

    Args:
        every: Milliseconds between two heartbeats; None: none are configured.
        scale: Of real work.
    """
    return max(IDLE if every is None else every, round(LEAST_IDLE * scale))


class Vitals:
    """The signs of one service, whenever they are asked for.

    Args:
        config: Channels, and how often the heart beats.
        rules: All rules.
        accounts: What is believed of each account, by name; filled and changed by the engine.
        store: Knows whether it can write.
        outbox: Knows which channels fail.
        doors: The clock, and how fast it goes.
    """

    def __init__(
        self,
        config: Config,
        rules: Sequence[Rule],
        *,
        accounts: Mapping[str, Account],
        store: Store,
        outbox: Outbox,
        doors: Doors,
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._outbox = outbox
        self._doors = doors
        self._turned = doors.now().ticks
        self.take(config, rules)

    def take(self, config: Config, rules: Sequence[Rule]) -> None:
        """Go by other rules and channels."""
        self._critical = critical_channels(channels_of(config), rules, self._accounts)
        beat = config.heartbeat
        every = beat.every if beat is not None and beat.beats else None
        self._patience = patience(every, self._doors.scale)

    def turned(self) -> None:
        """Note that the engine ended a turn, or had nothing to do in it."""
        self._turned = self._doors.now().ticks

    def ailments(self, *, channels: bool = True) -> list[str]:
        """Tell what is not well, a sentence each; see the function of this name."""
        signs = Signs(
            self._accounts.values(),
            idle=self._doors.now().ticks - self._turned,
            patience=self._patience,
            store_failing=self._store.failing,
            critical_channels=self._critical,
            failing_channels=self._outbox.failing,
        )
        return ailments(signs, channels=channels)

    def summary(self) -> str:
        """Say in one line how it stands."""
        held = sum(len(account.holdings) for account in self._accounts.values())
        watched = f"{count(len(self._accounts), 'account')}, {count(held, 'position')}"
        return f"{'; '.join(self.ailments()) or 'all is well'} ({watched})"


async def until_well(
    what: str, ask: Callable[[], Sequence[str]], log: logging.Logger, scale: float
) -> None:
    """Wait until nothing ails the watch; if that takes long, say once why, and once that it is.

    Args:
        what: What is held back meanwhile, as "the heartbeat".
        ask: Tells what is not well.
        log: Where that is said.
        scale: Of real work.
    """
    await trio.lowlevel.checkpoint()
    begun, said = trio.current_time(), False
    while found := ask():
        if not said and trio.current_time() - begun >= WORTH_A_LINE * scale:
            said = True
            log.warning("%s is held back: %s", what, "; ".join(found))
        await trio.sleep(LOOK * scale)
    if said:
        log.info("%s goes on: all is well again", what)
