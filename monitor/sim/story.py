"""The shapes of a scenario: who holds what, how prices move, what is done, what breaks.

    seed, start, length, mark_interval, weight_limit, listen_key_life, connection_life
    [[account]]  [[account.position]]   who is there when the story begins
    [[price]]                           mark paths: straight lines between points, plus noise
    [[asset]]                           what collateral is worth in USD
    [[bracket]]                         maintenance tiers other than those built in
    [quirks]                            what the exchange does in one way or in another
    [[do]]                              what somebody does, at a time         (story_deeds)
    [[fault]]                           what breaks, at a time, for how long  (story_faults)
    [random]                            more of both, drawn from the seed     (chance)

Durations in the file are `5m`, `1h30m`; in the models they are milliseconds. Every model is frozen.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from monitor.sim.story_deeds import Do, TierTable
from monitor.sim.story_faults import Fault
from monitor.sim.story_values import Duration, Percentage, Positive, Symbol, Table, Utc

Permission = Literal[
    "ipRestrict", "enableReading", "enableWithdrawals", "enableInternalTransfer", "enableMargin",
    "enableFutures", "permitsUniversalTransfer", "enableVanillaOptions", "enableFixApiTrade",
    "enableFixReadOnly", "enableSpotAndMarginTrading", "enablePortfolioMarginTrading",
]  # fmt: skip
"Flags of a key (docs/protocol.md §10)."


class PositionTable(Table):
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


class AccountTable(Table):
    """An account with its key."""

    name: str = Field(min_length=1)
    venue: Literal["binance-usdm"] = "binance-usdm"
    api_key: str = Field(min_length=1)
    api_secret: str = ""
    "HMAC; required where there is no `public_key`."
    public_key: str = ""
    "PEM of an Ed25519 or RSA key, against which signatures are checked in place of the secret."
    permissions: dict[Permission, bool] = Field(default_factory=dict)
    "What the key may do, where it differs from reading only, from certain addresses only."
    balances: dict[str, Annotated[Decimal, Field(ge=0)]] = Field(default_factory=dict)
    "Wallet balance per asset, margin of isolated positions included."
    hedge: bool = False
    multi_assets: bool = False
    portfolio_margin: bool = False
    "Polls tell no liquidation prices, events carry `fs`, and nothing is liquidated here."
    position: tuple[PositionTable, ...] = ()


class PointTable(NamedTuple):
    """A corner of a path."""

    at: Duration
    price: Positive


class PriceTable(Table):
    """The mark path of one symbol."""

    symbol: Symbol
    points: tuple[PointTable, ...] = Field(min_length=1)
    noise: Percentage = Decimal(0)
    "Each mark lies within ± this part of the line."
    margin_asset: str | None = None
    "Default: what the symbol's name ends in."


class AssetTable(Table):
    """What an asset is worth as collateral in multi-assets mode."""

    name: str = Field(min_length=1)
    points: tuple[PointTable, ...] = Field(min_length=1)
    "Its index price in USD over the story."
    haircut: Percentage = Decimal(0)
    "Positive balances count for so much less than the index, debts for so much more."


class BracketTable(Table):
    """Maintenance tiers of a symbol, in place of the built-in ones."""

    symbol: Symbol
    tiers: tuple[TierTable, ...] = Field(min_length=1)


class QuirksTable(Table):
    """What the exchange is known to do in more than one way (docs/protocol.md §12)."""

    unknown_key: Literal["silent", "refused"] = "silent"
    "A user data socket with a listen key that does not exist; `refused`: HTTP 400."
    key_in_path: Literal["works", "silent"] = "works"
    "`/private/ws/<key>`."
    expiry_told: Literal["once", "twice", "never"] = "once"
    expiry_time: Literal["integer", "text"] = "integer"
    expiry_names_key: bool = True
    retry_after: Literal["bans", "always", "never"] = "bans"
    "Which refusals for weight say when to come back: 418, also 429, or none."
    funding_positions: Literal["list", "missing"] = "list"
    "An ACCOUNT_UPDATE about no position has an empty `P`, or none."
    hedge_both_rows: bool = True
    "ACCOUNT_UPDATE in hedge mode has a BOTH row of zero beside each symbol."
    row_fields: Literal["all", "no bep", "no ma", "no mt", "documented"] = "all"
    "Which fields ACCOUNT_UPDATE's position rows leave out; `documented` leaves out `ma`."
    forced_type: Literal["LIMIT", "LIQUIDATION"] = "LIMIT"
    "Order type in the ORDER_TRADE_UPDATE of a forced order."
    forced_new: bool = False
    "A forced order is first told as NEW, in an ORDER_TRADE_UPDATE of its own."
    pnl_spelling: Literal["unRealizedProfit", "unrealizedProfit"] = "unRealizedProfit"
    "In position polls, v2."
    lone_bracket: Literal["object", "list"] = "object"
    "`leverageBracket` with a symbol."
    coin_margined: bool = False
    "`!markPrice@arr` also has a coin-margined symbol, `st` 2."
    split_marks: bool = False
    "`!markPrice@arr` comes in two arrays."


class RandomTable(Table):
    """Faults and deeds drawn from the seed, beside those written down."""

    faults: int = Field(default=0, ge=0)
    "How many an hour."
    fault_kinds: tuple[str, ...] = ()
    "Which; default: all that can be drawn."
    longest: Duration = 60_000
    "Each fault lasts between a tenth of this and this."
    deeds: int = Field(default=0, ge=0)
    "How many an hour, over all accounts."
    deed_kinds: tuple[str, ...] = ()
    "Which; default: all that can be drawn."


class Scenario(Table):
    """A whole story."""

    seed: int = 1
    start: Utc = datetime(2026, 1, 1, tzinfo=UTC)
    length: Duration
    mark_interval: Annotated[Duration, Field(ge=10)] = 1000
    weight_limit: int = Field(default=2400, ge=1)
    "Request weight per minute."
    listen_key_life: Annotated[Duration, Field(ge=1000)] = 3_600_000
    connection_life: Annotated[Duration, Field(ge=1000)] = 86_400_000
    "After so long the exchange closes a WebSocket."
    quirks: QuirksTable = QuirksTable()
    random: RandomTable = RandomTable()
    account: tuple[AccountTable, ...] = Field(min_length=1)
    price: tuple[PriceTable, ...] = ()
    asset: tuple[AssetTable, ...] = ()
    bracket: tuple[BracketTable, ...] = ()
    do: tuple[Annotated[Do, Field(discriminator="what")], ...] = ()
    fault: tuple[Annotated[Fault, Field(discriminator="what")], ...] = ()
