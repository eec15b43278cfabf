"""What the market streams of Binance's USDⓈ-M futures send; the conventions are those of `wire`.

Source: developers.binance.com, derivatives/usds-margined-futures, websocket-market-streams, read
2026-05-28; sections (§) are of docs/protocol.md.
"""

from typing import Any, Literal

from pydantic import Field, TypeAdapter
from pydantic import ValidationError as PydanticError

from monitor.binance.wire import (
    Millis,
    OtherEvent,
    PositiveDigits,
    ServerShutdown,
    Whole,
    Wire,
    parse_json,
    read,
    unwrapped,
)
from monitor.errors import FrameGarbled


class MarkPriceUpdate(Wire):
    """A mark price; `st` 2 is a COIN-M symbol, missing or 1 a USDⓈ-M one."""

    type_: Literal["markPriceUpdate"] = Field(alias="e")
    event_ms: Millis = Field(alias="E")
    symbol: str = Field(alias="s")
    price: PositiveDigits = Field(alias="p")
    symbol_type: Whole | None = Field(None, alias="st")


class ControlError(Wire):
    """Why a SUBSCRIBE was refused."""

    code: Whole = 0
    message: str = Field("", alias="msg")


class ControlAnswer(Wire):
    """The answer to SUBSCRIBE and UNSUBSCRIBE; an error stands flat or under `error`."""

    id: Whole | None = None
    code: Whole | None = None
    message: str = Field("", alias="msg")
    error: ControlError | None = None


class ContractInfo(Wire):
    """A contract that changed (§8.3): listed, settled, or with other maintenance tiers."""

    type_: Literal["contractInfo"] = Field(alias="e")
    symbol: str = Field(alias="s")
    brackets: list[Any] | None = Field(None, alias="bks")
    """Only where the tiers changed; they are the market's, and no account's own."""
    symbol_type: Whole | None = Field(None, alias="st")


MarketMessage = list[MarkPriceUpdate] | ControlAnswer | ContractInfo | ServerShutdown | OtherEvent

# ------------------------------------------------------------------ reading

_MARK: TypeAdapter[MarkPriceUpdate] = TypeAdapter(MarkPriceUpdate)
_MARKS: TypeAdapter[list[MarkPriceUpdate]] = TypeAdapter(list[MarkPriceUpdate])
_CONTROL: TypeAdapter[ControlAnswer] = TypeAdapter(ControlAnswer)
_CONTRACT: TypeAdapter[ContractInfo] = TypeAdapter(ContractInfo)


def parse_market(text: str) -> MarketMessage:
    """Read one frame of a market socket: mark prices, a contract, or a control answer.

    Raises:
        FrameGarbled: It is not what the documents show.
    """
    try:
        return [_MARK.validate_json(text)]
    except PydanticError:
        pass  # seldom: everything else is told apart below, at leisure
    name = "markPriceUpdate"
    frame = parse_json("market frame", text)
    inner = frame.get("data", frame) if isinstance(frame, dict) else frame
    if isinstance(inner, list):
        return read(_MARKS, name, inner)
    event = unwrapped(frame, "market frame")
    kind = event.get("e")
    if kind == name:
        return [read(_MARK, name, event)]
    if kind == "contractInfo":
        return read(_CONTRACT, kind, event)
    if kind == "serverShutdown":
        return ServerShutdown(e="serverShutdown")
    if isinstance(kind, str):
        return OtherEvent(e=kind)
    if {"id", "code", "error"} & event.keys():
        return read(_CONTROL, "control answer", event)
    raise FrameGarbled("market frame: `e` is missing")
