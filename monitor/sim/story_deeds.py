"""What somebody does in a story: the kinds of `[[do]]`."""

from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from monitor.sim.story_values import (
    Duration,
    Moment,
    Percentage,
    PositionSide,
    Positive,
    Symbol,
    Table,
    Where,
)


class TierTable(NamedTuple):
    """One maintenance tier: notional up to `cap`; `amount` is computed where it is left out."""

    cap: Positive
    max_leverage: int
    rate: Positive
    amount: Decimal | None = None


class _Do(Table):
    at: Moment
    account: str | None = None
    "May be left out where there is only one account."


class Deposit(_Do):
    """A transfer in, or whatever else adds to a wallet."""

    what: Literal["deposit"]
    amount: Positive
    asset: str = "USDT"
    reason: str = "DEPOSIT"


class Withdrawal(_Do):
    """A transfer out, or whatever else takes from a wallet."""

    what: Literal["withdrawal"]
    amount: Positive
    asset: str = "USDT"
    reason: str = "WITHDRAW"


class AutoExchange(_Do):
    """One asset is turned into another at the index prices, as in multi-assets mode."""

    what: Literal["auto_exchange"]
    asset: str
    into: str = "USDT"
    amount: Positive


class Order(_Do):
    """A market order; fills at once at the mark."""

    what: Literal["order"]
    symbol: Symbol
    side: Literal["buy", "sell"]
    quantity: Positive
    position_side: PositionSide = "BOTH"


class OpenOrder(_Do):
    """A limit order that rests for ever: polls list its symbol, and it binds margin."""

    what: Literal["open_order"]
    symbol: Symbol
    side: Literal["buy", "sell"]
    quantity: Positive
    price: Positive
    position_side: PositionSide = "BOTH"


class CancelOrders(_Do):
    """Every resting order of a symbol is taken back."""

    what: Literal["cancel_orders"]
    symbol: Symbol


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


class AssetMode(_Do):
    """Multi-assets mode is switched on or off; on is refused while a position is isolated."""

    what: Literal["asset_mode"]
    multi_assets: bool


class PositionMode(_Do):
    """Hedge mode is switched on or off; refused while anything is held. No event tells of it."""

    what: Literal["position_mode"]
    hedge: bool


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
    position_side: PositionSide = "BOTH"


class MarginCall(_Do):
    """A MARGIN_CALL whatever the ratio is; without `symbol`, about the first position."""

    what: Literal["margin_call"]
    symbol: Symbol | None = None


class Adl(_Do):
    """A position closed by auto-deleveraging; without `symbol`, the first one."""

    what: Literal["adl"]
    symbol: Symbol | None = None


class Liquidate(_Do):
    """A position closed by force whatever the ratio is; without `symbol`, the first one."""

    what: Literal["liquidate"]
    symbol: Symbol | None = None


class Brackets(_Do):
    """Other maintenance tiers for a symbol, of everybody; `!contractInfo` tells of them."""

    what: Literal["brackets"]
    symbol: Symbol
    tiers: Annotated[tuple[TierTable, ...], Field(min_length=1)]


class Delist(_Do):
    """A symbol ends: no more marks, in no list; positions in it are settled at the last mark."""

    what: Literal["delist"]
    symbol: Symbol
    settle: bool = True
    "Where not, positions stay until a second `delist` settles them."


class ForceOrder(_Do):
    """A stranger is liquidated; only the market streams tell."""

    what: Literal["force_order"]
    symbol: Symbol
    side: Literal["buy", "sell"]
    quantity: Positive


class ExpireKey(_Do):
    """The account's listen key dies before its time."""

    what: Literal["expire_key"]
    key: str | None = None
    "Told of this key instead, which is somebody else's; the account's own goes on."


class RevokeKey(_Do):
    """The account's API key is taken back."""

    what: Literal["revoke_key"]


class RestoreKey(_Do):
    """The account's API key is good again."""

    what: Literal["restore_key"]


class ServerShutdown(_Do):
    """A server announces its end on every socket that is open, and closes them later."""

    what: Literal["server_shutdown"]
    where: Where | None = None
    closes_after: Duration = 600_000


class Send(_Do):
    """Any text, as one frame, to the account's user data sockets."""

    what: Literal["send"]
    frame: str


class SendMarket(_Do):
    """Any text, as one frame, to every market socket."""

    what: Literal["send_market"]
    frame: str


MarketDeed = (
    Deposit | Withdrawal | AutoExchange | Order | OpenOrder | CancelOrders | Leverage | MarginType
    | AssetMode | PositionMode | Funding | MarginTransfer | MarginCall | Adl | Liquidate
)  # fmt: skip
"What is done to an account."
ListingDeed = Brackets | Delist | ForceOrder
"What is done to a symbol, and so to everybody."
SocketDeed = ExpireKey | RevokeKey | RestoreKey | ServerShutdown | Send | SendMarket
Do = (
    Deposit | Withdrawal | AutoExchange | Order | OpenOrder | CancelOrders | Leverage | MarginType
    | AssetMode | PositionMode | Funding | MarginTransfer | MarginCall | Adl | Liquidate
    | Brackets | Delist | ForceOrder
    | ExpireKey | RevokeKey | RestoreKey | ServerShutdown | Send | SendMarket
)  # fmt: skip
FOR_ALL = Funding | Brackets | Delist | ForceOrder | ServerShutdown | SendMarket
"Needs no account, however many there are."
