"""ccxt.pro's binanceusdm against the simulator, unchanged; its addresses are `urls`."""

import asyncio
import sys
from typing import Any

import ccxt.pro
import verdicts
from verdicts import tries, unless


async def main(here: str) -> None:
    """Make every call that a monitor needs."""
    client = ccxt.pro.binanceusdm(
        {
            "apiKey": "ccxt-key",
            "secret": "ccxt-secret",
            # Only the futures' markets: the simulator has no spot market and no wallet of one.
            "options": {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False},
        }
    )
    for version in ("", "V2", "V3"):
        path = f"http://{here}/fapi/{version.lower() or 'v1'}"
        for kind in ("Public", "Private"):
            client.urls["api"][f"fapi{kind}{version}"] = path
    client.urls["api"]["sapi"] = f"http://{here}/sapi/v1"
    for name in ("future", "linear"):  # older and newer versions call it differently
        client.urls["api"]["ws"][name] = f"ws://{here}/ws"
        client.urls["api"]["ws"]["ws-api"][name] = f"ws://{here}/ws-fapi/v1"
    try:
        await polls(client)
        await streams(client)
    finally:
        await client.close()


async def polls(client: Any) -> None:
    """Read over REST and the WebSocket API."""
    symbol = "BTC/USDT:USDT"

    def reads(name: str, right: Any, *arguments: Any) -> Any:
        async def attempt() -> str | None:
            answer = await getattr(client, name)(*arguments)
            return unless(right=right(answer), got=answer)

        return tries(name, attempt)

    def held(rows: Any) -> bool:
        return any(row["symbol"] == symbol and row["contracts"] >= 0.1 for row in rows)

    await reads("fetch_time", lambda answer: answer > 10**12)
    await reads("load_markets", lambda markets: symbol in markets)
    await reads("fetch_balance", lambda answer: answer["USDT"]["total"] > 0)
    await reads("fetch_positions", held)
    await reads("fetch_positions_risk", held)
    await reads("fetch_leverage_tiers", lambda tiers: bool(tiers[symbol]))
    await reads("fetch_leverages", lambda found: found[symbol]["longLeverage"] == 20)
    await reads("fetch_position_mode", lambda answer: answer["hedged"] is False)
    await reads("fetch_position_adl_rank", bool, symbol)
    await reads("fetch_positions_ws", held)
    await reads("fetch_balance_ws", lambda answer: answer["USDT"]["total"] > 0)


async def streams(client: Any) -> None:
    """Listen to the account and to a mark price."""

    async def watch_balance() -> str | None:
        answer = await client.watch_balance()
        return unless(right=answer["USDT"]["total"] > 0, got=answer)

    async def watch_positions() -> str | None:
        rows = await client.watch_positions()
        return unless(right=bool(rows), got=rows)

    async def watch_mark_price() -> str | None:
        answer = await client.watch_mark_price("BTC/USDT:USDT")
        return unless(right=answer["markPrice"] > 0, got=answer)

    await asyncio.gather(
        tries("watch_balance", watch_balance),
        tries("watch_positions", watch_positions),
        tries("watch_mark_price", watch_mark_price),
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    sys.exit(bool(verdicts.failed))
