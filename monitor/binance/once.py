"""Reference data asked once, for commands that look at accounts: what is not had is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from monitor.binance import translate_reference, wire_reference
from monitor.binance.budget import Rank
from monitor.binance.rest import Rest
from monitor.core.events import Bracket
from monitor.errors import ConnectionLost, ExchangeRefused, FrameGarbled

TROUBLE = (ExchangeRefused, FrameGarbled, ConnectionLost)

_BRACKETS = "/fapi/v1/leverageBracket"
_PRICES, _PRICES_WEIGHT = "/fapi/v1/assetIndex", 10
_SYMBOLS = "/fapi/v1/exchangeInfo"


@dataclass(frozen=True, slots=True)
class Contract:
    """What a symbol's orders go in steps of; None: not told."""

    tick: Decimal | None
    """Of prices."""
    step: Decimal | None
    """Of quantities, base units."""


@dataclass(slots=True)
class Reference:
    """What an account's figures rest on beside its polls."""

    brackets: Mapping[str, tuple[Bracket, ...]] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """What could not be read and why, each a sentence without a full stop."""


async def read_contracts(rest: Rest, symbols: frozenset[str]) -> dict[str, Contract]:
    """Read the steps of symbols; nothing is signed.

    Raises:
        ExchangeRefused, FrameGarbled, ConnectionLost: It could not be read.
    """
    answer = await rest.get(_SYMBOLS, rank=Rank.EXTRA)
    found = {}
    for row in wire_reference.read_symbols(answer, symbols):
        ticks = {each.kind: each.tick for each in row.filters}
        steps = {each.kind: each.step for each in row.filters}
        found[row.symbol] = Contract(
            _decimal(ticks.get("PRICE_FILTER")), _decimal(steps.get("LOT_SIZE"))
        )
    return found


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


async def read_reference(rest: Rest, symbols: frozenset[str], *, prices: bool) -> Reference:
    """Read an account's maintenance tiers, and what margin assets are worth.

    Args:
        rest: The account's door to REST.
        symbols: Those that it holds.
        prices: Whether the account is in multi-assets mode, where assets have to be valued.
    """
    found = Reference()
    try:
        found.brackets = await _read_brackets(rest, symbols)
    except TROUBLE as fault:
        found.missing.append(f"maintenance tiers are not known, rates are as polled: {fault}")
    if prices:
        try:
            answer = await rest.get(_PRICES, weight=_PRICES_WEIGHT, rank=Rank.EXTRA)
            rows = wire_reference.read_asset_indexes(answer)
            found.prices = translate_reference.asset_prices(rows)
        except TROUBLE as fault:
            found.missing.append(f"what margin assets are worth is not known: {fault}")
    return found


async def _read_brackets(rest: Rest, symbols: frozenset[str]) -> dict[str, tuple[Bracket, ...]]:
    """Read tables; one that is broken must not cost the others."""
    found = {}
    answer = await rest.get(_BRACKETS, signed=True, rank=Rank.EXTRA)
    for row in wire_reference.bracket_rows(answer, symbols):
        try:
            read = wire_reference.read_bracket_row(row)
            found[read.symbol] = translate_reference.tiers(read)
        except FrameGarbled:
            continue  # its rate is the polled one, as with a symbol without a table
    return found
