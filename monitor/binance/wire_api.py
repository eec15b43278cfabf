"""What the WebSocket API of Binance's USDⓈ-M futures answers, exactly as documented.

The envelope and the results; the conventions are those of `wire`.

Source: developers.binance.com, derivatives/usds-margined-futures, websocket-api-general-info,
account/websocket-api and trade/websocket-api, read 2026-05-28; sections (§) are those of
docs/protocol.md.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic import ValidationError as PydanticError

from monitor.binance.wire import (
    Digits,
    Millis,
    Perhaps,
    PerhapsWhole,
    Whole,
    Wire,
    parse_json,
    read,
)
from monitor.errors import FrameGarbled


def _if_readable(value: object, read_it: ValidatorFunctionWrapHandler) -> object:
    try:
        return read_it(value)
    except PydanticError:
        return None


class ErrorData(Wire):
    """`error.data`: documented for Spot, provided for here."""

    retry_after: Millis | None = Field(None, alias="retryAfter")


class ApiError(Wire):
    """`error` of an answer."""

    code: Whole = 0
    message: str = Field("", alias="msg")
    # What is odd about it must not cost the code: it may be that of a ban.
    data: Annotated[ErrorData | None, WrapValidator(_if_readable)] = None


class RateLimit(Wire):
    """One entry of `rateLimits`."""

    kind: str = Field("", alias="rateLimitType")
    interval: str = ""
    interval_count: Whole = Field(1, alias="intervalNum")
    limit: Whole
    count: Whole


class ApiAnswer(Wire):
    """An answer's envelope: `result` or `error`; `id` null says that the session is over."""

    id: int | str | None = None
    status: Whole = 0
    result: Any = None
    error: ApiError | None = None
    rate_limits: Any = Field(None, alias="rateLimits")
    event: Any = None
    data: Any = None
    type_: Any = Field(None, alias="e")

    @property
    def shuts_down(self) -> bool:
        """Whether it is no answer, but the word that this server closes soon (§2)."""
        wrapped = [one for one in (self.event, self.data) if isinstance(one, dict)]
        kinds = [self.type_, *(one.get("e") for one in wrapped)]
        return "serverShutdown" in kinds

    @property
    def has_result(self) -> bool:
        """Whether the answer carries a result, be it null."""
        return "result" in self.model_fields_set


class ServerTime(Wire):
    """`time`."""

    server_ms: Millis = Field(alias="serverTime")


class ListenKey(Wire):
    """`userDataStream.start` and `.ping`; older servers answer a ping with `{}`."""

    listen_key: str | None = Field(None, alias="listenKey")


_UNREALIZED = AliasChoices("unRealizedProfit", "unrealizedProfit")


class Position(Wire):
    """A row of `account.position` (§6.1 to §6.3).

    v1: all symbols, with leverage and margin type. v2: symbols with a position or an open order,
    with margins and `adl`.
    """

    symbol: str
    position_side: str = Field(alias="positionSide")
    quantity: Digits = Field(alias="positionAmt")
    entry_price: Digits = Field(alias="entryPrice")
    break_even_price: Perhaps = Field(None, alias="breakEvenPrice")
    mark_price: Perhaps = Field(None, alias="markPrice")
    unrealized_pnl: Perhaps = Field(None, validation_alias=_UNREALIZED)
    liquidation_price: Perhaps = Field(None, alias="liquidationPrice")
    isolated_wallet: Digits | None = Field(None, alias="isolatedWallet")
    notional: Perhaps = None
    margin_asset: str | None = Field(None, alias="marginAsset")
    maintenance_margin: Perhaps = Field(None, alias="maintMargin")
    initial_margin: Perhaps = Field(None, alias="positionInitialMargin")
    adl: PerhapsWhole = None
    leverage: PerhapsWhole = None
    margin_type: str | None = Field(None, alias="marginType")
    update_ms: Millis = Field(0, alias="updateTime")


class StatusAsset(Wire):
    """`assets[]` of `account.status`."""

    asset: str
    wallet: Digits = Field(alias="walletBalance")
    cross_wallet: Digits = Field(alias="crossWalletBalance")
    available: Perhaps = Field(None, alias="availableBalance")
    maintenance_margin: Perhaps = Field(None, alias="maintMargin")
    update_ms: Millis = Field(0, alias="updateTime")


class StatusPosition(Wire):
    """`positions[]` of `account.status`; leverage and `isolated` in v1 alone."""

    symbol: str
    position_side: str = Field(alias="positionSide")
    quantity: Digits = Field(alias="positionAmt")
    maintenance_margin: Perhaps = Field(None, alias="maintMargin")
    initial_margin: Perhaps = Field(None, alias="positionInitialMargin")
    isolated: bool | None = None
    leverage: PerhapsWhole = None


class AccountStatus(Wire):
    """`account.status` and `v2/account.status` (§6.4); the mode flag stands in v1 alone.

    The totals matter in multi-assets mode alone, so an answer without one is good all the same.
    """

    wallet: Perhaps = Field(None, alias="totalWalletBalance")
    cross_wallet: Perhaps = Field(None, alias="totalCrossWalletBalance")
    cross_unrealized_pnl: Perhaps = Field(None, alias="totalCrossUnPnl")
    unrealized_pnl: Perhaps = Field(None, alias="totalUnrealizedProfit")
    maintenance_margin: Perhaps = Field(None, alias="totalMaintMargin")
    available: Perhaps = Field(None, alias="availableBalance")
    multi_assets: bool | None = Field(None, alias="multiAssetsMargin")
    assets: list[StatusAsset]
    positions: list[StatusPosition]


class Balance(Wire):
    """A row of `account.balance` (§6.5)."""

    asset: str
    wallet: Digits = Field(alias="balance")
    cross_wallet: Digits = Field(alias="crossWalletBalance")
    available: Perhaps = Field(None, alias="availableBalance")
    update_ms: Millis = Field(0, alias="updateTime")


# ------------------------------------------------------------------ reading

_ANSWER = TypeAdapter(ApiAnswer)
_LIMIT = TypeAdapter(RateLimit)
_TIME = TypeAdapter(ServerTime)
_LISTEN_KEY = TypeAdapter(ListenKey)
_POSITIONS = TypeAdapter(list[Position])
_STATUS = TypeAdapter(AccountStatus)
_BALANCES = TypeAdapter(list[Balance])


def parse_answer(text: str) -> ApiAnswer:
    """Read the envelope of an answer; its `result` stays as it is.

    Raises:
        FrameGarbled: It is no envelope.
    """
    return read(_ANSWER, "API answer", parse_json("API answer", text))


def minute_weight(rate_limits: object) -> tuple[int, int] | None:
    """Find the weight that the exchange counts for this address in the running minute.

    Args:
        rate_limits: As it came in an answer; whatever is wrong with it must not cost the answer.

    Returns:
        (count, limit), or None where it is not told.
    """
    rows: Iterable[Any] = rate_limits if isinstance(rate_limits, list) else ()
    for row in rows:
        try:
            limit = read(_LIMIT, "rateLimits", row)
        except FrameGarbled:
            continue
        if (limit.kind, limit.interval, limit.interval_count) == ("REQUEST_WEIGHT", "MINUTE", 1):
            return limit.count, limit.limit
    return None


def read_time(result: object) -> int:
    """Read the answer to `time`, unix milliseconds by the exchange's clock."""
    return read(_TIME, "time", result).server_ms


def read_listen_key(method: str, result: object) -> str | None:
    """Read the answer to `userDataStream.start` or `.ping`."""
    return read(_LISTEN_KEY, method, result).listen_key


def read_positions(method: str, result: object, spoilt: list[str] | None = None) -> list[Position]:
    """Read the answer to `account.position`, v1 or v2.

    Args:
        method: Which, for the error's text.
        result: As it came.
        spoilt: Takes the names of fields that could not be read and can be done without; the same
            for the other readers of a poll.
    """
    return read(_POSITIONS, method, result, spoilt)


def read_status(method: str, result: object, spoilt: list[str] | None = None) -> AccountStatus:
    """Read the answer to `account.status`, v1 or v2."""
    return read(_STATUS, method, result, spoilt)


def read_balances(method: str, result: object, spoilt: list[str] | None = None) -> list[Balance]:
    """Read the answer to `account.balance`."""
    return read(_BALANCES, method, result, spoilt)
