"""Reference data into our words, pure; as `translate` does it with streams and polls."""

from collections.abc import Iterable
from decimal import Decimal

from monitor.binance import translate
from monitor.binance.wire_reference import AssetIndex, ForcedOrder, SymbolBrackets
from monitor.core.events import Bracket, ForcedOrderSeen
from monitor.errors import FrameGarbled


def tiers(row: SymbolBrackets) -> tuple[Bracket, ...]:
    """Translate the tiers of a symbol, by rising floor.

    Raises:
        FrameGarbled: They leave a gap, overlap, or ask for less margin as a position grows.
    """
    found = tuple(sorted(Bracket(one.floor, one.cap, one.rate, one.amount) for one in row.brackets))
    cap = rate = Decimal(0)
    for tier in found:
        if tier.floor != cap or tier.cap <= tier.floor or not rate < tier.rate <= 1:
            raise FrameGarbled(f"leverageBracket: the tiers of {row.symbol} do not join")
        cap, rate = tier.cap, tier.rate
    return found


def asset_prices(rows: Iterable[AssetIndex]) -> dict[str, Decimal]:
    """Translate asset indexes to USD per unit of each asset: `ADAUSD` is the price of ADA."""
    return {
        row.symbol.removesuffix("USD"): Decimal(row.index)
        for row in rows
        if row.symbol.endswith("USD")
    }


def forced_orders(
    rows: Iterable[ForcedOrder], *, account: str, offset: int, seq: int, polled_at: int
) -> list[ForcedOrderSeen]:
    """Translate forced orders of the past, the oldest first; settlements are none of ours.

    Args:
        rows: What `wire_reference.read_forced_orders` read.
        account: Whose they are.
        offset: The exchange's clock minus ours, milliseconds.
        seq: The number of the first event that comes out; further ones count on.
        polled_at: When they were read, by our clock.
    """
    told: list[ForcedOrderSeen] = []
    for row in sorted(rows, key=lambda row: (row.time_ms, row.order_id)):
        kind = translate.forced_kind(row.client_order_id)
        if kind is None or translate.coin_margined(row.symbol):
            continue
        told.append(
            ForcedOrderSeen(
                account,
                (row.update_ms or row.time_ms) - offset,
                row.time_ms,
                seq + len(told),
                kind,
                row.symbol,
                row.position_side,
                row.order_id,
                row.side,
                abs(Decimal(row.quantity)),
                translate.price_of(row.average_price, row.price),
                polled_at,
            )
        )
    return told
