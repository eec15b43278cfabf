"""What the world can tell us, in our words.

Every event is a fact in the past tense. Two kinds of time stand on them and are never mixed:

- `at`: when the numbers were true, in unix milliseconds UTC *by our clock*: the exchange's own
  time corrected by the measured clock offset, or the instant a poll was sent. Ages count from it.
- `time`: the exchange's own stamp (T, or E where T is missing), uncorrected. It orders what one
  exchange says about one thing, and is compared with nothing else.

`now` is an argument wherever something is decided. Rows hold absolute values, never differences.
Numbers are Decimals from the strings on the wire; money is in the row's asset, prices in the quote
asset, quantities in base units (contracts on COIN-M), positive is long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple


class Now(NamedTuple):
    """An instant, with its two faces, both in whole milliseconds."""

    ticks: int
    """A clock that never jumps (CLOCK_BOOTTIME where there is one): every duration."""
    utc: int
    """Unix time: messages and the store."""


class Mark(NamedTuple):
    """A mark price."""

    price: Decimal
    at: int


@dataclass(frozen=True, slots=True)
class MarksChanged:
    """New mark prices, the newest of each symbol."""

    marks: Mapping[str, Mark]


class Bracket(NamedTuple):
    """One maintenance tier of a symbol, by unsigned notional at the mark, in the margin asset."""

    floor: Decimal
    cap: Decimal
    rate: Decimal
    """Maintenance margin rate."""
    amount: Decimal
    """Maintenance amount (`cum`): maintenance = notional · rate − amount."""


@dataclass(frozen=True, slots=True)
class AssetPricesRead:
    """USD prices of margin assets (assetIndex), for multi-assets mode; of every account."""

    prices: Mapping[str, Decimal]
    """USD per unit of each asset."""


@dataclass(frozen=True, slots=True)
class AddressBanned:
    """The exchange bans this machine's address; said once per ban, of every account."""

    until: int
    """Unix milliseconds UTC by our clock."""
    message: str
    """Binance's own words."""


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One asset of an account, from an event."""

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    change: Decimal | None = None
    """What the wallet changed by other than profit and commission; None where it is not said."""


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One row of a position, from an event or a poll. None: this message does not say.

    A row with quantity 0 is no position (an open order, or the `BOTH` row of hedge mode).
    """

    symbol: str
    position_side: str
    """BOTH, LONG or SHORT."""
    quantity: Decimal
    entry_price: Decimal
    break_even_price: Decimal | None = None
    margin_type: str | None = None
    """`cross` or `isolated`."""
    isolated_wallet: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    margin_asset: str | None = None
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    """0 means none, as on the wire."""
    maintenance_margin: Decimal | None = None
    initial_margin: Decimal | None = None
    """positionInitialMargin: notional / leverage."""
    notional: Decimal | None = None
    """Signed as the quantity."""
    adl: int | None = None
    """0 to 4; 4 is first in the queue."""
    updated: int = 0
    """The exchange's time of the row's last change (updateTime); 0: never touched."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A symbol's settings, from `account.position` (v1), whether it is held or not."""

    symbol: str
    leverage: int | None
    margin_type: str | None


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One asset of an account, from a poll of `account.status`; money in that asset."""

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    available: Decimal | None = None
    maintenance_margin: Decimal | None = None
    updated: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Account totals of `account.status`: USD in multi-assets mode, else of USDT alone."""

    wallet: Decimal
    cross_wallet: Decimal
    cross_unrealized_pnl: Decimal
    unrealized_pnl: Decimal
    maintenance_margin: Decimal
    available: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A position as `account.status` lists it: enough to tell that it is there."""

    symbol: str
    position_side: str
    quantity: Decimal


# ------------------------------------------------------------------ events of one account


@dataclass(frozen=True, slots=True)
class AccountStarted:
    """The watch over an account begins."""

    account: str


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """Balances or positions changed (ACCOUNT_UPDATE): one event with all its rows."""

    account: str
    at: int
    time: int
    seq: int
    """Counts the user events of this account in this process, from 1: see `PollAnswered.after`."""
    reason: str
    """Binance's `m`, as it came; unknown ones pass."""
    balances: tuple[BalanceRow, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    symbol: str = ""
    """Whose funding it was (`S`), where that is said."""


@dataclass(frozen=True, slots=True)
class LeverageChanged:
    """The leverage setting of a symbol changed."""

    account: str
    at: int
    time: int
    seq: int
    symbol: str
    leverage: int


@dataclass(frozen=True, slots=True)
class AssetModeChanged:
    """Multi-assets mode was switched on or off."""

    account: str
    at: int
    time: int
    seq: int
    multi_assets: bool


@dataclass(frozen=True, slots=True)
class CalledPosition:
    """One position of a margin call."""

    symbol: str
    position_side: str
    quantity: Decimal
    mark_price: Decimal
    unrealized_pnl: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True)
class MarginCalled:
    """The exchange warns that positions come near to liquidation (MARGIN_CALL)."""

    account: str
    at: int
    time: int
    seq: int
    positions: tuple[CalledPosition, ...]


@dataclass(frozen=True, slots=True)
class ForcedOrderSeen:
    """The exchange closes a position by force; TRADE_LITE or ORDER_TRADE_UPDATE, whichever first.

    One order (by `order_id`) may be seen many times; it is told once.
    """

    account: str
    at: int
    time: int
    seq: int
    happening: str
    """`liquidation` or `adl`."""
    symbol: str
    position_side: str | None
    """None where the message does not say (TRADE_LITE)."""
    order_id: int
    order_side: str
    """BUY closes a short, SELL a long."""
    quantity: Decimal
    """Of the order; positive."""
    price: Decimal
    """Last or average fill where there is one, else the order's price."""
    polled_at: int | None = None
    """Unix milliseconds UTC by our clock of the poll that found it; None: the stream told it."""


@dataclass(frozen=True, slots=True)
class PollAnswered:
    """All that one poll of an account answered, as one event.

    Args:
        at: When the poll was sent, by our clock.
        after: How many user events of the account had been handed over when it was sent; an event
            with a higher `seq` may be news that the answer does not know.
        complete: Whether every answer it asked for arrived. Only a complete poll makes an account
            fresh or says that a position is gone.
        positions: Rows of held symbols; None when that answer did not arrive.
        settings: Rows of all symbols; None when not asked for, or not answered.
        assets: None when that answer did not arrive.
        listed: The positions that `account.status` lists; None when that answer did not arrive.
        multi_assets: The asset mode; None when this poll does not tell.
        beside: The positions that each further answer lists: v1, where it was asked beside v2.
    """

    account: str
    at: int
    after: int
    complete: bool
    positions: tuple[PositionRow, ...] | None = None
    settings: tuple[SettingRow, ...] | None = None
    assets: tuple[AssetRow, ...] | None = None
    listed: tuple[StatusRow, ...] | None = None
    totals: Totals | None = None
    multi_assets: bool | None = None
    beside: tuple[tuple[StatusRow, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class UserStreamStood:
    """A user data socket is open, after a time without one or for the first time."""

    account: str


@dataclass(frozen=True, slots=True)
class UserStreamFell:
    """No user data socket stands any more; a planned replacement does not say this."""

    account: str
    why: str


@dataclass(frozen=True, slots=True)
class KeyWasRejected:
    """The exchange will not serve the account's key; told once until it is served again."""

    account: str
    code: int
    message: str
    """Binance's own words, without the key."""


@dataclass(frozen=True, slots=True)
class KeyWasAccepted:
    """The exchange serves the account's key again."""

    account: str


@dataclass(frozen=True, slots=True)
class AccountRefused:
    """This account cannot be watched by what we know of margin (portfolio margin), ever."""

    account: str
    why: str
    """A sentence for the trader."""


@dataclass(frozen=True, slots=True)
class BracketsRead:
    """Maintenance tiers of symbols, as this account has them; those not named stay as they are."""

    account: str
    brackets: Mapping[str, tuple[Bracket, ...]]
    """By symbol; by rising floor."""


@dataclass(frozen=True, slots=True)
class PollsPaced:
    """Polls of an account come at this interval from now on: the weight budget allows no more."""

    account: str
    every: int
    """Milliseconds; numbers are fresh for three times as long where that is the longer limit."""


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """The machine slept, or its clock was set: all that is known is aged until it is told anew."""


@dataclass(frozen=True, slots=True)
class Woke:
    """An instant came that the engine had asked for."""


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """Edited files have a fault: the rules and channels of before go on."""

    faults: str
    """All of it as `check` says it, without secrets."""


@dataclass(frozen=True, slots=True)
class SilenceWanted:
    """Somebody wants nothing told of these rules, accounts or symbols for a while.

    Globs; what is empty is not looked at.
    """

    lasts: int
    """Milliseconds."""
    rules: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SilenceLifted:
    """Somebody ends a silence before its time."""

    number: int


@dataclass(frozen=True, slots=True)
class ChannelFailed:
    """Nothing has got through to a channel for five minutes."""

    channel: str
    waiting: int
    """How many notices wait for it."""
    why: str
    """What its service answered last, without secrets."""


@dataclass(frozen=True, slots=True)
class ChannelRecovered:
    """A channel that had failed lets messages through again."""

    channel: str


@dataclass(frozen=True, slots=True)
class NoticesDied:
    """Notices were given up: a channel did not take them in time."""

    channel: str
    numbers: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """What happens cannot be written: a crash now would forget it."""

    why: str


@dataclass(frozen=True, slots=True)
class StoreReplaced:
    """The database was corrupt at the start: what it knew is set aside, and not known."""

    why: str


OwnFault = ChannelFailed | ChannelRecovered | NoticesDied | StoreFailed | StoreReplaced
"""What this program has to say of itself."""


@dataclass(frozen=True, slots=True)
class StillHere:
    """The time of day has come at which channels are told that we are still here."""

    up: int
    """Milliseconds that this run has lasted."""
    waiting: Mapping[str, int]
    """By channel: how many notices it has yet to hear."""
    failing: tuple[str, ...] = ()
    """The channels that let nothing through."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The program is about to end: what is written only now and then is written now."""


AccountEvent = (
    AccountStarted
    | AccountChanged
    | LeverageChanged
    | AssetModeChanged
    | MarginCalled
    | ForcedOrderSeen
    | PollAnswered
    | UserStreamStood
    | UserStreamFell
    | KeyWasRejected
    | KeyWasAccepted
    | AccountRefused
    | BracketsRead
    | PollsPaced
)
WorldEvent = (
    MarksChanged
    | AssetPricesRead
    | AddressBanned
    | ClockJumped
    | ReloadRefused
    | SilenceWanted
    | SilenceLifted
    | ChannelFailed
    | ChannelRecovered
    | NoticesDied
    | StoreFailed
    | StoreReplaced
    | StillHere
    | Woke
    | Stopping
)
Event = WorldEvent | AccountEvent


# ------------------------------------------------------------------ what the engine asks for


@dataclass(frozen=True, slots=True)
class PollWanted:
    """Poll this account no later than an instant.

    Args:
        ticks: When, on the `Now.ticks` face; at or before now: at once.
        full: Whether settings and asset mode (the v1 answers) are asked for too.
        urgent: A forced order or margin call: before anything that waits.
    """

    account: str
    ticks: int
    full: bool = False
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class StreamDistrusted:
    """The user stream of this account missed something: renew its listen key and socket."""

    account: str
    why: str


Request = PollWanted | StreamDistrusted


@dataclass(frozen=True, slots=True)
class Remark:
    """Something for the log, as a value: `core` logs nothing itself."""

    level: str
    """debug, info, warning or error."""
    text: str
    counter: str = ""
    """The counter that it adds one to; "" for none."""
    facts: Mapping[str, str] = field(default_factory=dict)
