"""The shapes of a scenario: who holds what, how prices move, what is done, what breaks.

    seed, start, length, mark_interval, weight_limit
    [[account]]  [[account.position]]   who is there when the story begins
    [[price]]                           mark paths: straight lines between points, plus noise
    [[bracket]]                         maintenance tiers other than those built in
    [[do]]                              what somebody does, at a time
    [[fault]]                           what breaks, at a time, for how long

Durations in the file are `5m`, `1h30m`; in the models they are milliseconds. Every model is frozen.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitor.sim.amounts import parse_duration

Where = Literal["api", "private", "market"]


class At(NamedTuple):
    """A moment of the story."""

    ms: int
    "Milliseconds since the start, or since the subscription."
    after_subscribe: bool = False
    "Counted from the opening of the account's first user data socket."


def _duration(value: object) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f'`{value}` is not a duration; write a number and a unit, like "5m"')


def _signed_duration(value: object) -> int:
    if isinstance(value, str) and value.startswith("-"):
        return -parse_duration(value[1:])
    return _duration(value)


def _moment(value: object) -> object:
    if isinstance(value, str) and value.startswith("subscribe+"):
        return At(parse_duration(value.removeprefix("subscribe+")), after_subscribe=True)
    return At(_duration(value))


def _percentage(value: object) -> Decimal:
    if isinstance(value, str) and value.endswith("%"):
        try:
            return Decimal(value[:-1]) / 100
        except ArithmeticError:
            pass
    raise ValueError(f'`{value}` is not a percentage; write "0.02%"')


def _utc(value: object) -> datetime:
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(f'`{value}` is not a time in UTC; write "2026-01-02T03:00:00Z"')
    return moment.astimezone(UTC)


Duration = Annotated[int, BeforeValidator(_duration)]
SignedDuration = Annotated[int, BeforeValidator(_signed_duration)]
Moment = Annotated[At, BeforeValidator(_moment)]
Percentage = Annotated[Decimal, BeforeValidator(_percentage)]
Positive = Annotated[Decimal, Field(gt=0)]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9_]+$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PositionTable(_Table):
    """A position held when the story begins."""

    symbol: Symbol
    side: Literal["long", "short"]
    quantity: Positive
    "Contracts, of the base asset."
    entry_price: Positive
    leverage: int = Field(default=20, ge=1, le=150)
    margin_type: Literal["cross", "isolated"] = "cross"
    isolated_wallet: Positive | None = None
    "Margin asset; default notional / leverage. It is taken out of the cross wallet."


class AccountTable(_Table):
    """An account with its key."""

    name: str = Field(min_length=1)
    venue: Literal["binance-usdm"] = "binance-usdm"
    api_key: str = Field(min_length=1)
    api_secret: str = Field(min_length=1)
    balances: dict[str, Annotated[Decimal, Field(ge=0)]] = Field(default_factory=dict)
    "Wallet balance per asset, margin of isolated positions included."
    hedge: bool = False
    multi_assets: bool = False
    position: tuple[PositionTable, ...] = ()


class PointTable(NamedTuple):
    """A corner of a mark path."""

    at: Duration
    price: Positive


class PriceTable(_Table):
    """The mark path of one symbol."""

    symbol: Symbol
    points: tuple[PointTable, ...] = Field(min_length=1)
    noise: Percentage = Decimal(0)
    "Each mark lies within ± this part of the line."


class TierTable(NamedTuple):
    """One maintenance tier: notional up to `cap`; `amount` is computed where it is left out."""

    cap: Positive
    max_leverage: int
    rate: Positive
    amount: Decimal | None = None


class BracketTable(_Table):
    """Maintenance tiers of a symbol, in place of the built-in ones."""

    symbol: Symbol
    tiers: tuple[TierTable, ...] = Field(min_length=1)


class _Do(_Table):
    at: Moment
    account: str | None = None
    "May be left out where there is only one account."


class Deposit(_Do):
    """A transfer in."""

    what: Literal["deposit"]
    amount: Positive
    asset: str = "USDT"


class Withdrawal(_Do):
    """A transfer out."""

    what: Literal["withdrawal"]
    amount: Positive
    asset: str = "USDT"


class Order(_Do):
    """A market order; fills at once at the mark."""

    what: Literal["order"]
    symbol: Symbol
    side: Literal["buy", "sell"]
    quantity: Positive
    position_side: Literal["BOTH", "LONG", "SHORT"] = "BOTH"


class Leverage(_Do):
    """Another leverage for a symbol."""

    what: Literal["leverage"]
    symbol: Symbol
    leverage: int = Field(ge=1, le=150)


class MarginType(_Do):
    """Another margin type for a symbol; takes effect on its open positions too."""

    what: Literal["margin_type"]
    symbol: Symbol
    margin_type: Literal["cross", "isolated"]


class Funding(_Do):
    """A funding settlement; without `account`, of everybody who holds the symbol."""

    what: Literal["funding"]
    symbol: Symbol
    rate: Percentage
    "Positive: longs pay shorts."


class MarginTransfer(_Do):
    """Isolated margin added (positive) or taken out (negative)."""

    what: Literal["margin_transfer"]
    symbol: Symbol
    amount: Decimal
    position_side: Literal["BOTH", "LONG", "SHORT"] = "BOTH"


class MarginCall(_Do):
    """A MARGIN_CALL whatever the ratio is; without `symbol`, about the first position."""

    what: Literal["margin_call"]
    symbol: Symbol | None = None


class Adl(_Do):
    """A position closed by auto-deleveraging; without `symbol`, the first one."""

    what: Literal["adl"]
    symbol: Symbol | None = None


class ExpireKey(_Do):
    """The account's listen key dies before its time."""

    what: Literal["expire_key"]


class RevokeKey(_Do):
    """The account's API key is taken back."""

    what: Literal["revoke_key"]


class Send(_Do):
    """Any text, as one frame, to the account's user data sockets."""

    what: Literal["send"]
    frame: str


MarketDeed = (
    Deposit | Withdrawal | Order | Leverage | MarginType | Funding | MarginTransfer | MarginCall
    | Adl
)  # fmt: skip
"What is done to an account; the rest of the deeds are done to its keys and sockets."
Do = MarketDeed | ExpireKey | RevokeKey | Send


class _Fault(_Table):
    at: Moment
    where: Where | None = None
    "Default: everywhere."
    account: str | None = None
    "Default: everybody. A connection belongs to an account once it has shown its key."


class _Window(_Fault):
    lasts: Duration = Field(alias="for")


class Drop(_Fault):
    """Connections are cut without a Close."""

    what: Literal["drop"]


class Stall(_Window):
    """Connections stay open; nothing comes out of them, and nothing that goes in is read."""

    what: Literal["stall"]


class Refuse(_Window):
    """New connections are refused; with `status`, by an HTTP answer."""

    what: Literal["refuse"]
    status: int | None = Field(default=None, ge=300, le=599)


class Lose(_Window):
    """User events of one type are not sent; what they would have told happens all the same."""

    what: Literal["lose"]
    event: str = "ACCOUNT_UPDATE"
    "Or `*`: of every type."


class Duplicate(_Window):
    """Each user event is sent twice."""

    what: Literal["duplicate"]


class Reorder(_Window):
    """User events of one instant are sent last first."""

    what: Literal["reorder"]


class Delay(_Window):
    """User events are late."""

    what: Literal["delay"]
    by: Duration


class Garble(_Window):
    """The second half of every frame is missing."""

    what: Literal["garble"]


class Huge(_Fault):
    """One frame of 2 MiB."""

    what: Literal["huge"]


class Empty(_Window):
    """Polls answer as if nothing were held."""

    what: Literal["empty"]


class PollError(_Window):
    """Polls are answered by an error."""

    what: Literal["error"]
    code: int = -1001
    status: int = 500
    message: str = "Internal error; unable to process your request. Please try again."
    method: str | None = None
    "Only this method, such as `v2/account.position`; default: every account poll."


class Ban(_Window):
    """The address is banned: 418 to everything on the API, until the window ends."""

    what: Literal["ban"]
    data: bool = True
    "Whether the answer carries `data.retryAfter` beside the text."


class Skew(_Window):
    """The exchange's clock is off; positive: it is ahead."""

    what: Literal["skew"]
    by: SignedDuration


class RevertStale(_Window):
    """Polls answer with the state of some time ago."""

    what: Literal["revert_stale"]
    by: Duration


Fault = (
    Drop | Stall | Refuse | Lose | Duplicate | Reorder | Delay | Garble | Huge | Empty
    | PollError | Ban | Skew | RevertStale
)  # fmt: skip


class Scenario(_Table):
    """A whole story."""

    seed: int = 1
    start: Annotated[datetime, BeforeValidator(_utc)] = datetime(2026, 1, 1, tzinfo=UTC)
    length: Duration
    mark_interval: Annotated[Duration, Field(ge=10)] = 1000
    weight_limit: int = Field(default=2400, ge=1)
    "Request weight per minute."
    account: tuple[AccountTable, ...] = Field(min_length=1)
    price: tuple[PriceTable, ...] = ()
    bracket: tuple[BracketTable, ...] = ()
    do: tuple[Annotated[Do, Field(discriminator="what")], ...] = ()
    fault: tuple[Annotated[Fault, Field(discriminator="what")], ...] = ()
