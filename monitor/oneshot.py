"""Commands that look or send once, without a store.

`check --online`, `positions`, `whatif`, `notify`.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import trio

from monitor.binance.advice import with_advice
from monitor.binance.budget import Budget
from monitor.binance.glance import Glance, Seen
from monitor.binance.link import Dial
from monitor.binance.once import TROUBLE, Contract, Reference, read_contracts, read_reference
from monitor.binance.permissions import PORTFOLIO_MARGIN
from monitor.binance.rest import Rest
from monitor.binance.signing import signer_of
from monitor.config import Account, Channel, Config
from monitor.core.engine import Engine
from monitor.core.events import AssetPricesRead, BracketsRead, Now, PollAnswered
from monitor.core.introduction import held, nearest
from monitor.core.message import Message
from monitor.core.portfolio import Account as Believed
from monitor.core.positions import Position
from monitor.core.wording import among
from monitor.notify import Notifier, Sent

LATE_CLOCK = 500
"""Milliseconds between the exchange's clock and ours from which it is worth a warning."""
_PATIENCE = 3.0
_EVERY = 5.0


# ---------------------------------------------------------------- check --online


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check --online` found of one account."""

    name: str
    network: str
    offset: int | None
    """The exchange's clock minus ours, milliseconds; None: not measured."""
    held: str | None
    """What it holds, in words; None: not known."""
    positions: int | None
    nearest: tuple[Decimal, Position] | None
    """Distance to liquidation, a fraction, and the position; None: there is none, or not known."""
    permissions: str
    """What is known of the key's permissions, in words."""
    warnings: tuple[str, ...]
    faults: tuple[str, ...]
    """Why it cannot be watched and what to do; empty where it can."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What of the address's limit was used in the minute of the check, by the exchange's count."""

    used: int
    limit: int


async def check_accounts(
    config: Config,
    *,
    dial: Dial,
    now: Callable[[], Now],
    tell: Callable[[str], None],
    log: logging.Logger,
) -> tuple[list[Checked], Weight]:
    """Look at every account once, all at the same time.

    Args:
        config: Which accounts, and how much of the limit may be used.
        dial: Makes streams for sockets.
        now: Our clock.
        tell: Told who is still waited for, when it takes long.
        log: For what goes wrong without ending anything.

    Returns:
        What was found, in the order of the configuration, and the weight used.
    """
    budget = Budget(now=now, max_share=config.max_weight_share, log=log)
    found: dict[str, Checked] = {}

    # One market socket serves all accounts that share it.
    first = {account.endpoints.streams: account for account in reversed(config.accounts)}

    async def check(account: Account) -> None:
        market = first[account.endpoints.streams] is account
        glance = _glance(account, dial, now, budget, market=market)
        found[account.name] = _checked(account, await glance.look(), config, now())

    await _each_account(config, found, check, tell)
    weight = Weight(budget.used_weight, budget.weight_limit)
    return [found[account.name] for account in config.accounts], weight


def _glance(
    account: Account,
    dial: Dial,
    now: Callable[[], Now],
    budget: Budget,
    *,
    stream: bool = True,
    market: bool = False,
) -> Glance:
    """Prepare the look at an account; `stream` and `market` say which sockets are tried too."""
    return Glance(
        name=account.name,
        signer=signer_of(**account.signing_keys()),
        ws_api=account.endpoints.ws_api,
        streams=account.endpoints.streams,
        rest=account.endpoints.rest,
        sapi=account.endpoints.sapi,
        dial=dial,
        now=now,
        budget=budget,
        stream=stream,
        market=market,
    )


async def _each_account(
    config: Config,
    found: Mapping[str, object],
    work: Callable[[Account], Awaitable[None]],
    tell: Callable[[str], None],
) -> None:
    """Do something for all accounts at the same time; tell who is not yet among the found."""
    async with trio.open_nursery() as teller:
        teller.start_soon(_tell_who_is_missing, [one.name for one in config.accounts], found, tell)
        async with trio.open_nursery() as nursery:
            for account in config.accounts:
                nursery.start_soon(work, account)
        teller.cancel_scope.cancel("all have been looked at")


async def _tell_who_is_missing(
    names: Sequence[str], found: Mapping[str, object], tell: Callable[[str], None]
) -> None:
    await trio.sleep(_PATIENCE)
    while True:
        missing = [name for name in names if name not in found]
        tell(f"waiting for {among(missing, 5)} …")
        await trio.sleep(_EVERY)


def _disbelief(believed: Believed) -> str:
    """Say why a poll that was answered in full is not believed, and what to do."""
    if believed.contradiction:
        return (
            f"{believed.name}: the exchange's answers contradict each other about what is held: "
            f"{believed.contradiction}. Ask again in a moment."
        )
    return (
        f"{believed.name}: what the exchange answered is not how an account of this kind looks: "
        "maintenance margin above the margin balance and no liquidation price. If it is in "
        "portfolio margin, it cannot be watched here; otherwise ask again in a moment."
    )


def _checked(account: Account, seen: Seen, config: Config, now: Now) -> Checked:
    """Put what was seen into words and numbers."""
    faults = [with_advice(fault) for fault in seen.faults]
    if seen.permissions is not None and seen.permissions.portfolio_margin:
        faults.insert(0, f"{account.name}: {PORTFOLIO_MARGIN}.")
    said, count, close = None, None, None
    if seen.poll is not None:
        names = [(account.name, account.venue)]
        engine = Engine([], [], names, now=now, stale_after=config.stale_after)
        engine.on(seen.poll, now)
        believed = engine.portfolio.accounts[account.name]
        if believed.contradiction or not (faults or believed.first_poll_done):
            faults.append(_disbelief(believed))
        else:
            said = held(believed, now)
            count, close = len(believed.holdings), nearest(believed, now)
    return Checked(
        name=account.name,
        network=account.network,
        offset=seen.offset,
        held=said,
        positions=count,
        nearest=close,
        permissions=_permissions(account, seen),
        warnings=tuple(_warnings(seen)),
        faults=tuple(faults),
    )


def _permissions(account: Account, seen: Seen) -> str:
    if account.endpoints.sapi is None:
        return "not told by this network"
    if seen.permissions is None:
        return "not known"
    return "too many" if seen.permissions.warnings else "to read, from known addresses alone"


def _warnings(seen: Seen) -> list[str]:
    """Say what works and is not as it should be."""
    found = []
    if seen.offset is not None and abs(seen.offset) > LATE_CLOCK:
        way = "behind" if seen.offset > 0 else "ahead of"
        found.append(
            f"this machine's clock is {abs(seen.offset) / 1000:.1f} s {way} the exchange's: let "
            "NTP set it. Requests make up for it, the times in messages do not"
        )
    if seen.permissions is not None:
        found.extend(seen.permissions.warnings)
    if seen.permissions_fault is not None and not seen.faults:
        found.append(f"what its key may do is not known: {seen.permissions_fault}")
    return found


# ---------------------------------------------------------------- positions, whatif


@dataclass(frozen=True, slots=True)
class Looked:
    """One account, read once."""

    name: str
    network: str
    account: Believed | None
    """What its poll says of it; None where it could not be read."""
    now: Now
    """When that was true."""
    faults: tuple[str, ...]
    """Why it could not be read, and what to do; empty where it could."""
    missing: tuple[str, ...]
    """What its figures lack, each a sentence without a full stop."""


async def read_accounts(
    config: Config,
    *,
    dial: Dial,
    now: Callable[[], Now],
    tell: Callable[[str], None],
    log: logging.Logger,
) -> tuple[list[Looked], dict[str, Contract]]:
    """Read every account once, all at the same time: a poll, and what its figures rest on.

    Args:
        config: Which accounts, and how much of the limit may be used.
        dial: Makes streams for sockets.
        now: Our clock.
        tell: Told who is still waited for, when it takes long.
        log: For what goes wrong without ending anything.

    Returns:
        The accounts, in the order of the configuration, and the steps of prices and quantities of
        each symbol that one of them holds; empty where they could not be read.
    """
    budget = Budget(now=now, max_share=config.max_weight_share, log=log)
    found: dict[str, Looked] = {}

    def rest_of(account: Account, offset: int | None) -> Rest:
        return Rest(
            account.endpoints.rest,
            name=account.name,
            signer=signer_of(**account.signing_keys()),
            dial=dial,
            now=now,
            budget=budget,
            offset=lambda: offset or 0,
        )

    async def read(account: Account) -> None:
        seen = await _glance(account, dial, now, budget, stream=False).look()
        reference = Reference()
        if seen.poll is not None and (symbols := _symbols(seen.poll)):
            rest = rest_of(account, seen.offset)
            multi = bool(seen.poll.multi_assets)
            reference = await read_reference(rest, symbols, prices=multi)
        found[account.name] = _looked(account, seen, reference, config, now())

    await _each_account(config, found, read, tell)
    accounts = [found[account.name] for account in config.accounts]
    held = {
        holding.position.symbol
        for one in accounts
        if one.account is not None
        for holding in one.account.holdings.values()
    }
    contracts: dict[str, Contract] = {}
    if held:
        try:
            contracts = await read_contracts(rest_of(config.accounts[0], None), frozenset(held))
        except TROUBLE as fault:
            tell(f"the steps of prices are not known, digits are those of the mark: {fault}")
    return accounts, contracts


def _symbols(poll: PollAnswered) -> frozenset[str]:
    return frozenset(row.symbol for row in poll.positions or () if row.quantity)


def _looked(account: Account, seen: Seen, reference: Reference, config: Config, now: Now) -> Looked:
    """Believe what was read, as the service would."""
    faults = [with_advice(fault) for fault in seen.faults]
    if seen.permissions is not None and seen.permissions.portfolio_margin:
        faults.insert(0, f"{account.name}: {PORTFOLIO_MARGIN}.")
    believed = None
    if seen.poll is not None and not faults:
        names = [(account.name, account.venue)]
        engine = Engine([], [], names, now=now, stale_after=config.stale_after)
        # First what the figures of the poll are made with.
        engine.on(AssetPricesRead(reference.prices), now)
        engine.on(BracketsRead(account.name, reference.brackets), now)
        engine.on(seen.poll, now)
        believed = engine.portfolio.accounts[account.name]
        if not believed.first_poll_done:
            faults.append(_disbelief(believed))
            believed = None
    missing = tuple(reference.missing)
    return Looked(account.name, account.network, believed, now, tuple(faults), missing)


# ---------------------------------------------------------------- notify


async def notify(
    channels: Sequence[Channel], text: str, *, redact: Callable[[str], str]
) -> dict[str, Sent]:
    """Send a test message to channels, all at once.

    Returns:
        Each channel's verdict, by name, in the order given.

    Raises:
        ConfigError: Apprise does not take a channel's URL.
    """
    message = Message("Marginwatch: a test message", text)
    verdicts: dict[str, Sent] = {}

    async def send(channel: Channel, notifier: Notifier) -> None:
        verdicts[channel.name] = await notifier.send(message)

    notifiers = []
    for channel in channels:
        url = channel.url.get_secret_value()
        notifiers.append(Notifier(channel.name, url, redact=redact))
        await notifiers[-1].load()
    async with trio.open_nursery() as nursery:
        for channel, notifier in zip(channels, notifiers, strict=True):
            nursery.start_soon(send, channel, notifier)
    return {channel.name: verdicts[channel.name] for channel in channels}
