"""python-binance against the simulator, unchanged; its addresses are class attributes."""

import asyncio
import sys
from typing import Any

import verdicts
from binance import AsyncClient, BinanceSocketManager
from verdicts import tries, unless


async def main(here: str) -> None:
    """Make every call that a monitor needs."""
    AsyncClient.FUTURES_URL = f"http://{here}/fapi"
    AsyncClient.WS_FUTURES_URL = f"ws://{here}/ws-fapi/v1"
    AsyncClient.MARGIN_API_URL = f"http://{here}/sapi"
    BinanceSocketManager.FSTREAM_URL = f"ws://{here}/"
    client = AsyncClient("python-binance-key", "python-binance-secret")
    try:
        await polls(client)
        await streams(client)
    finally:
        await client.close_connection()


async def polls(client: Any) -> None:
    """Read over REST and the WebSocket API."""

    def reads(name: str, right: Any, **arguments: Any) -> Any:
        async def attempt() -> str | None:
            answer = await getattr(client, name)(**arguments)
            return unless(right=right(answer), got=answer)

        return tries(name, attempt)

    def held(rows: Any) -> bool:
        return any(r["symbol"] == "BTCUSDT" and float(r["positionAmt"]) == 0.1 for r in rows)

    await reads("futures_ping", lambda answer: answer == {})
    await reads("futures_time", lambda answer: answer["serverTime"] > 10**12)
    await reads("futures_exchange_info", lambda answer: bool(answer["symbols"]))
    await reads(
        "futures_mark_price", lambda answer: float(answer["markPrice"]) > 0, symbol="BTCUSDT"
    )
    await reads("futures_account", lambda answer: bool(answer["assets"]))
    await reads("futures_account_balance", lambda rows: any(r["asset"] == "USDT" for r in rows))
    await reads("futures_position_information", held)
    await reads("futures_leverage_bracket", lambda rows: bool(rows[0]["brackets"]))
    await reads("futures_get_position_mode", lambda answer: answer["dualSidePosition"] is False)
    await reads("futures_get_multi_assets_mode", lambda a: a["multiAssetsMargin"] is False)
    await reads("futures_adl_quantile_estimate", bool)
    await reads("get_account_api_permissions", lambda answer: answer["enableReading"] is True)
    await reads("ws_futures_account_position", held)
    await reads("ws_futures_v2_account_position", held)
    await reads("ws_futures_account_status", lambda answer: bool(answer["assets"]))
    await reads("ws_futures_v2_account_status", lambda answer: bool(answer["assets"]))
    await reads("ws_futures_account_balance", bool)
    await reads("futures_stream_get_listen_key", lambda key: len(key) > 20)


async def streams(client: Any) -> None:
    """Listen to the account and to a mark price."""
    manager = BinanceSocketManager(client)

    async def user_socket() -> str | None:
        wanted = {"ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_CONFIG_UPDATE"}
        async with manager.futures_user_socket() as socket:
            while wanted:
                wanted.discard((await socket.recv())["e"])
        return None

    async def mark_socket() -> str | None:
        async with manager.symbol_mark_price_socket("BTCUSDT") as socket:
            mark = await socket.recv()
        return unless(right="BTCUSDT" in str(mark), got=mark)

    await tries("futures_user_socket", user_socket)
    await tries("symbol_mark_price_socket", mark_socket)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    sys.exit(bool(verdicts.failed))
