"""How the parts of a service are made from its configuration, each with the doors it needs."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import trio

from monitor.app.charts import Charts, SendPicture
from monitor.app.clock import real_now
from monitor.binance.budget import Budget
from monitor.binance.link import Dial
from monitor.binance.marks import MarkStream
from monitor.binance.reference import AssetPrices
from monitor.binance.rest import Rest
from monitor.binance.signing import signer_of
from monitor.binance.usdm import UsdmAccount
from monitor.config import Account, Config
from monitor.config import Channel as ConfiguredChannel
from monitor.core.digest import Tried
from monitor.core.engine import Engine
from monitor.core.events import Event, Mark, Now, OwnFault
from monitor.core.freshness import FORGET_AFTER
from monitor.core.message import Message
from monitor.core.notices import Notice, Saved
from monitor.core.own_faults import failing_channels
from monitor.core.portfolio import Account as WatchedAccount
from monitor.core.quiet import QuietHours
from monitor.core.routing import Channel
from monitor.core.rules import Rule
from monitor.feed import Latest
from monitor.notify import InThread, Sent
from monitor.outbox import Leisure, Outbox, OutboxChannel
from monitor.quarantine import Quarantine
from monitor.store import Store

LOG = logging.getLogger("marginwatch")

Send = Callable[[str, Message], Awaitable[Sent]]
"""Sends a message to a channel, by name."""

Compose = Callable[[Sequence[Tried], str], Message]
"""Makes one message of notices for a channel, by name."""

ROOM = 2000
"""Characters that fit into a message to most services."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The doors to the world, so that tests and the demo can put others in."""

    dial: Dial
    now: Callable[[], Now] = real_now
    rng: random.Random = random.Random()  # noqa: RUF009, S311 - jitter; shared on purpose
    scale: float = 1.0
    """Multiplies every guard of real work; the speed of a story."""
    in_thread: InThread = trio.to_thread.run_sync
    """How a chart is drawn."""


def make_engine(config: Config, rules: Sequence[Rule], saved: Saved, doors: Doors) -> Engine:
    """Make the engine, with what an earlier run left."""
    return Engine(
        rules,
        channels_of(config),
        [(account.name, account.venue) for account in config.accounts],
        now=doors.now(),
        stale_after=round(config.stale_after * doors.scale),
        poll_interval=config.poll_interval,
        saved=saved,
        forget_after=round(FORGET_AFTER * doors.scale),
    )


def make_outbox(
    config: Config,
    store: Store,
    doors: Doors,
    *,
    send: Send,
    compose: Compose,
    room: Callable[[str], int],
    tell: Callable[[OwnFault], None],
    saved: Saved,
    heard: Callable[[str, Sequence[Notice]], None],
) -> Outbox:
    """Make the outbox, with what an earlier run did not deliver."""
    outbox = Outbox(
        outbox_channels(config),
        store=store,
        send=send,
        compose=compose,
        room=room,
        tell=tell,
        heard=heard,
        now=doors.now,
        rng=doors.rng,
        log=LOG,
        scale=doors.scale,
    )
    outbox.restore(store.undelivered(), failing_channels(saved.timers))
    return outbox


def make_charts(
    config: Config,
    doors: Doors,
    *,
    accounts: Mapping[str, WatchedAccount],
    rule: Callable[[str], Rule | None],
    send: SendPicture | None,
    leisure: Callable[[str, int], Leisure],
) -> Charts:
    """Make what draws, and sends pictures behind texts."""
    return Charts(
        config.channels,
        accounts=accounts,
        rule=rule,
        send=send,
        leisure=leisure,
        now=doors.now,
        zone=config.timezone,
        log=LOG,
        in_thread=doors.in_thread,
        scale=doors.scale,
    )


def outbox_channels(config: Config) -> list[OutboxChannel]:
    """Tell the outbox what it has to know of the configured channels."""
    return [
        OutboxChannel(
            channel.name,
            group_wait=channel.group_wait / 1000,
            give_up_after=config.give_up_after / 1000,
            max_per_minute=channel.max_per_minute,
            quiet_hours=_quiet_hours(channel, config),
        )
        for channel in config.channels
    ]


def _quiet_hours(channel: ConfiguredChannel, config: Config) -> QuietHours | None:
    hours = channel.quiet_hours
    return None if hours is None else QuietHours(hours.begin, hours.end, config.timezone)


def make_account(
    account: Account,
    config: Config,
    doors: Doors,
    *,
    emit: Callable[[Event], None],
    quarantine: Quarantine,
    budget: Budget,
    prices: AssetPrices,
    seen_until: int | None,
) -> UsdmAccount:
    """Make the watch over one account."""
    return UsdmAccount(
        name=account.name,
        signer=signer_of(**account.signing_keys()),
        ws_api=account.endpoints.ws_api,
        streams=account.endpoints.streams,
        rest=account.endpoints.rest,
        sapi=account.endpoints.sapi,
        poll_interval=config.poll_interval / 1000,
        dial=doors.dial,
        emit=emit,
        now=doors.now,
        quarantine=quarantine,
        scale=doors.scale,
        rng=doors.rng,
        log=LOG,
        budget=budget,
        prices=prices,
        seen_until=seen_until,
    )


def last_seen(saved: Saved, account: str) -> int | None:
    """Tell until when an earlier run saw an account fresh, unix milliseconds; None: never."""
    found = [one.saved for one in saved.timers if (one.kind, one.key) == ("fresh", account)]
    return max(found, default=None)


def banned_until(saved: Saved) -> int:
    """Tell until when an earlier run was told to be banned, unix milliseconds; 0: it was not."""
    return max((int(one.body or 0) for one in saved.timers if one.kind == "banned"), default=0)


def make_budget(config: Config, doors: Doors, *, on_ban: Callable[[int, str], None]) -> Budget:
    """Make the weight budget of this machine's address."""
    return Budget(
        now=doors.now,
        max_share=config.max_weight_share,
        stale_after=round(config.stale_after * doors.scale),
        on_ban=on_ban,
        log=LOG,
    )


def make_asset_prices(
    config: Config,
    doors: Doors,
    *,
    take: Callable[[Mapping[str, Decimal]], None],
    budget: Budget,
) -> AssetPrices:
    """Make the one reader of asset prices; all accounts of a configuration are on one market."""
    rest = Rest(
        config.accounts[0].endpoints.rest,
        name="asset prices",
        signer=None,
        dial=doors.dial,
        now=doors.now,
        budget=budget,
        scale=doors.scale,
    )
    return AssetPrices(rest, take=take, rng=doors.rng, log=LOG)


def make_marks(
    config: Config,
    doors: Doors,
    *,
    latest: Latest[str, Mark],
    offset: Callable[[], int],
    quarantine: Quarantine,
    budget: Budget,
    on_brackets: Callable[[str], None],
) -> MarkStream:
    """Make the one mark price socket; all accounts of a configuration are on one market."""
    return MarkStream(
        streams=config.accounts[0].endpoints.streams,
        latest=latest,
        dial=doors.dial,
        now=doors.now,
        offset=offset,
        quarantine=quarantine,
        scale=doors.scale,
        rng=doors.rng,
        log=LOG,
        budget=budget,
        on_brackets=on_brackets,
    )


def channels_of(config: Config) -> list[Channel]:
    """Tell the routing what it has to know of the configured channels."""
    return [
        Channel(
            name=channel.name,
            min_severity=channel.min_severity,
            accounts=channel.accounts,
            rules=channel.rules,
            send_resolved=channel.send_resolved,
            send_reminders=channel.send_reminders,
        )
        for channel in config.channels
    ]
