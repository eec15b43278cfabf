"""What the user data streams of Binance's USDⓈ-M futures send, exactly as documented.

Pydantic stands here and in the other `wire` modules (`wire_market`: market streams; `wire_api`:
answers of the WebSocket API; `wire_rest`, `wire_reference`: of REST), and nowhere else.

Field names of the wire stand here as aliases only. Fields that are new are ignored, event types
that are new come out as `OtherEvent`; what is missing or has another meaning is `FrameGarbled`,
whose text names the message and the path and never a value (it may end in a log).

Numbers stay the decimal strings they are on the wire, checked by a pattern: plain digits, so no
NaN, no `1_000`, no exponents. `translate` makes Decimals of them; that is half the cost of letting
pydantic do it (8 against 17 µs for an ACCOUNT_UPDATE with six positions).

Source: developers.binance.com, derivatives/usds-margined-futures, user-data-streams and
websocket-market-streams, read 2026-05-28; sections (§) are of docs/protocol.md.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic import ValidationError as PydanticError

from monitor.errors import FrameGarbled

# [0-9], not \d: the latter takes Arabic digits too. 18 + 18 digits keep every later quantize exact.
_KEYS = re.compile(r'("(?:listenKey|apiKey|signature|stream)"\s*:\s*")[^"]*')
_NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{0,18})?$"
_POSITIVE = r"^(0{0,3}[1-9][0-9]{0,17}(\.[0-9]{0,18})?|0{1,3}\.[0-9]{0,17}[1-9][0-9]{0,18})$"

Digits = Annotated[str, StringConstraints(pattern=_NUMBER), Field(coerce_numbers_to_str=True)]
"""A decimal number as text; a JSON number is taken as its text, a boolean is not."""

PositiveDigits = Annotated[
    str, StringConstraints(pattern=_POSITIVE), Field(coerce_numbers_to_str=True)
]
"""A decimal number above zero: a mark price of 0 would be no price."""


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(value)
    except PydanticError:
        if isinstance(info.context, list) and info.field_name not in info.context:
            info.context.append(info.field_name)
        return None


Perhaps = Annotated[Digits | None, WrapValidator(_or_none)]
"""A number that an answer can do without: one that cannot be read is not known, as one that is
missing. Never for what says whether there is a position, or how large it is: there a hole is better
than a wrong belief."""

# Unix milliseconds. Above the bound stand microseconds, which would look like the far future. A
# string counts too: `listenKeyExpired.E` has been one.
Millis = Annotated[int, Field(ge=0, lt=10**14)]

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]

PerhapsWhole = Annotated[Whole | None, WrapValidator(_or_none)]


class Wire(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(extra="ignore")


# ------------------------------------------------------------------ user data events (§5)


class AccountBalance(Wire):
    """`a.B[]` of ACCOUNT_UPDATE."""

    asset: str = Field(alias="a")
    wallet: Digits = Field(alias="wb")
    cross_wallet: Digits = Field(alias="cw")
    change: Digits | None = Field(None, alias="bc")


class AccountPosition(Wire):
    """`a.P[]` of ACCOUNT_UPDATE; `bep` and `ma` are absent from many live messages."""

    symbol: str = Field(alias="s")
    position_side: str = Field(alias="ps")
    quantity: Digits = Field(alias="pa")
    entry_price: Digits = Field(alias="ep")
    break_even_price: Digits | None = Field(None, alias="bep")
    unrealized_pnl: Digits | None = Field(None, alias="up")
    margin_type: str | None = Field(None, alias="mt")
    isolated_wallet: Digits | None = Field(None, alias="iw")
    margin_asset: str | None = Field(None, alias="ma")


class AccountChange(Wire):
    """`a` of ACCOUNT_UPDATE; `P` is empty or missing when only balances changed."""

    reason: str = Field("", alias="m")
    balances: list[AccountBalance] | None = Field(None, alias="B")
    positions: list[AccountPosition] | None = Field(None, alias="P")
    symbol: str | None = Field(None, alias="S")
    """Whose funding it is, since August 2026."""


class _Event(Wire):
    """`E` and `T`, which stand on nearly every event."""

    event_ms: Millis = Field(alias="E")
    transaction_ms: Millis | None = Field(None, alias="T")


class AccountUpdate(_Event):
    """Balances or positions changed (§5.1)."""

    type_: Literal["ACCOUNT_UPDATE"] = Field(alias="e")
    change: AccountChange = Field(alias="a")
    business: str | None = Field(None, alias="fs")
    """`UM` or `CM` where it is sent at all."""


class MarginCallPosition(Wire):
    """`p[]` of MARGIN_CALL."""

    symbol: str = Field(alias="s")
    position_side: str = Field(alias="ps")
    quantity: Digits = Field(alias="pa")
    mark_price: Digits = Field(alias="mp")
    unrealized_pnl: Digits = Field(alias="up")
    maintenance_margin: Digits = Field(alias="mm")


class MarginCall(_Event):
    """Positions come near to liquidation (§5.2); has no `T`."""

    type_: Literal["MARGIN_CALL"] = Field(alias="e")
    positions: list[MarginCallPosition] = Field(alias="p")


class LeverageConfig(Wire):
    """`ac` of ACCOUNT_CONFIG_UPDATE."""

    symbol: str = Field(alias="s")
    leverage: Whole = Field(alias="l")


class AssetModeConfig(Wire):
    """`ai` of ACCOUNT_CONFIG_UPDATE."""

    multi_assets: bool = Field(alias="j")


class AccountConfigUpdate(_Event):
    """A symbol's leverage or the account's asset mode changed (§5.3): one of the two."""

    type_: Literal["ACCOUNT_CONFIG_UPDATE"] = Field(alias="e")
    leverage: LeverageConfig | None = Field(None, alias="ac")
    asset_mode: AssetModeConfig | None = Field(None, alias="ai")


class OrderReport(Wire):
    """`o` of ORDER_TRADE_UPDATE: what tells a forced order from the trader's own."""

    symbol: str = Field(alias="s")
    client_order_id: str = Field("", alias="c")
    side: str = Field(alias="S")
    order_type: str = Field("", alias="o")
    execution: str = Field("", alias="x")
    order_id: Whole = Field(alias="i")
    quantity: Digits = Field(alias="q")
    price: Digits = Field(alias="p")
    average_price: Digits | None = Field(None, alias="ap")
    last_price: Digits | None = Field(None, alias="L")
    position_side: str | None = Field(None, alias="ps")


class OrderTradeUpdate(_Event):
    """An order of the account was placed, filled, cancelled … (§5.4)."""

    type_: Literal["ORDER_TRADE_UPDATE"] = Field(alias="e")
    order: OrderReport = Field(alias="o")


class TradeLite(_Event):
    """A fill, told before anything else (§5.6); flat, and without a position side."""

    type_: Literal["TRADE_LITE"] = Field(alias="e")
    symbol: str = Field(alias="s")
    client_order_id: str = Field("", alias="c")
    side: str = Field(alias="S")
    order_id: Whole = Field(alias="i")
    quantity: Digits = Field(alias="q")
    price: Digits = Field(alias="p")
    last_price: Digits | None = Field(None, alias="L")


class ListenKeyExpired(Wire):
    """The socket that carries this stays open and silent (§4.4); `E` has been a string."""

    type_: Literal["listenKeyExpired"] = Field(alias="e")
    event_ms: Millis | None = Field(None, alias="E")
    listen_key: str | None = Field(None, alias="listenKey")


class ServerShutdown(Wire):
    """This server closes in some ten minutes (§2)."""

    type_: Literal["serverShutdown"] = Field(alias="e")


class IgnoredEvent(Wire):
    """Events that are known and tell us nothing yet (§5.7)."""

    type_: Literal[
        "STRATEGY_UPDATE", "GRID_UPDATE", "CONDITIONAL_ORDER_TRIGGER_REJECT", "ALGO_UPDATE"
    ] = Field(alias="e")


class OtherEvent(Wire):
    """An event type that these documents do not know."""

    type_: str = Field(alias="e")


UserMessage = (
    AccountUpdate
    | MarginCall
    | AccountConfigUpdate
    | OrderTradeUpdate
    | TradeLite
    | ListenKeyExpired
    | ServerShutdown
    | IgnoredEvent
    | OtherEvent
)

# ------------------------------------------------------------------ reading

T = TypeVar("T")

_USER: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        AccountUpdate
        | MarginCall
        | AccountConfigUpdate
        | OrderTradeUpdate
        | TradeLite
        | ListenKeyExpired
        | ServerShutdown
        | IgnoredEvent,
        Field(discriminator="type_"),
    ]
)
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def parse_user(text: str) -> UserMessage:
    """Read one frame of a user data socket, raw or wrapped (`data` of combined mode, `event`).

    Raises:
        FrameGarbled: It is not what the documents show.
    """
    try:
        known: UserMessage = _USER.validate_json(text)
    except PydanticError as fault:
        if _first(fault)["type"] not in {"union_tag_invalid", "union_tag_not_found"}:
            raise garbled("user data frame", fault) from None
    else:
        return known
    event = unwrapped(parse_json("user data frame", text), "user data frame")
    kind = event.get("e")
    if not isinstance(kind, str):
        raise FrameGarbled("user data frame: `e` is missing")
    try:
        inner: UserMessage = _USER.validate_python(event)
    except PydanticError as fault:
        if _first(fault)["type"] == "union_tag_invalid":
            return OtherEvent(e=kind)
        raise garbled("user data frame", fault) from None
    return inner


def without_keys(text: str) -> str:
    """Take listen keys and the like out of a frame, whole or torn, before it is kept anywhere."""
    return _KEYS.sub(r"\1…", text)


def parse_json(name: str, text: str) -> Any:
    """Read JSON of any shape; how deep it may nest is bounded by pydantic.

    Raises:
        FrameGarbled: It is not JSON.
    """
    try:
        return _ANYTHING.validate_json(text)
    except PydanticError as fault:
        raise garbled(name, fault) from None


def read(adapter: TypeAdapter[T], name: str, value: object, spoilt: list[str] | None = None) -> T:
    """Read a value that has been JSON, as what an adapter describes.

    Args:
        adapter: What it should be.
        name: The message, for the error's text.
        value: What came out of `parse_json`.
        spoilt: Takes the names of `Perhaps` fields that could not be read.

    Raises:
        FrameGarbled: It is something else.
    """
    try:
        return adapter.validate_python(value, context=spoilt)
    except PydanticError as fault:
        raise garbled(name, fault) from None


def garbled(name: str, fault: PydanticError) -> FrameGarbled:
    """Say what is wrong with a message without quoting it: values may be secrets."""
    first = _first(fault)
    # Pydantic puts the tag of a known event in front of the path: a better name than ours.
    path = [str(step) for step in first["loc"]]
    if path and path[0] in _TAGS:
        name, path = path[0], path[1:]
    what = _FAULTS.get(first["type"], f"has another meaning than documented ({first['type']})")
    return FrameGarbled(f"{name}: `{'.'.join(path)}` {what}" if path else f"{name}: {what}")


_FAULTS = {
    "missing": "is missing",
    "json_invalid": "is not JSON",
    "string_pattern_mismatch": "is not a plain decimal number",
}
_TAGS = frozenset(
    {
        "ACCOUNT_UPDATE",
        "MARGIN_CALL",
        "ACCOUNT_CONFIG_UPDATE",
        "ORDER_TRADE_UPDATE",
        "TRADE_LITE",
        "listenKeyExpired",
        "serverShutdown",
    }
)


def _first(fault: PydanticError) -> Any:
    """The first fault; input and context are left out, they hold what was sent."""
    return fault.errors(include_input=False, include_context=False, include_url=False)[0]


def unwrapped(frame: Any, name: str) -> dict[str, Any]:
    """The event of a frame: itself, or what `data` or `event` holds."""
    if isinstance(frame, dict):
        for key in ("data", "event"):
            inner = frame.get(key)
            if "e" not in frame and isinstance(inner, dict):
                frame = inner
        event: dict[str, Any] = frame
        return event
    raise FrameGarbled(f"{name}: is not an object")
