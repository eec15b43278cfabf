"""Binance's own SDK (usds-futures) against the simulator, unchanged."""

import asyncio
import sys
from typing import Any

import verdicts
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_derivatives_trading_usds_futures import (
    derivatives_trading_usds_futures as sdk,
)
from verdicts import tries, unless

KEYS = {"api_key": "sdk-key", "api_secret": "sdk-secret"}


async def main(here: str) -> None:
    """Make every call that a monitor needs."""
    client = sdk.DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(base_path=f"http://{here}", retries=0, **KEYS),
        config_ws_api=ConfigurationWebSocketAPI(stream_url=f"ws://{here}/ws-fapi/v1", **KEYS),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"ws://{here}"),
    )
    await over_rest(client.rest_api)
    await over_ws_api(client.websocket_api)
    await over_streams(client)


async def over_rest(rest: Any) -> None:
    """Read over REST; the SDK raises where an answer is not what its models say."""

    def reads(name: str, right: Any, **arguments: Any) -> Any:
        async def attempt() -> str | None:
            answer = await asyncio.to_thread(getattr(rest, name), **arguments)
            data = answer.data()
            return unless(right=right(data), got=data)

        return tries(f"rest_api.{name}", attempt)

    def row(data: Any) -> Any:
        return data[0] if isinstance(data, list) else data

    await reads("check_server_time", lambda data: data.server_time > 10**12)
    await reads(
        "exchange_information", lambda data: any(s.symbol == "BTCUSDT" for s in data.symbols)
    )
    await reads("mark_price", lambda data: "BTCUSDT" in str(data), symbol="BTCUSDT")
    await reads("account_information_v2", lambda data: bool(data.assets))
    await reads("account_information_v3", lambda data: bool(data.assets))
    await reads("futures_account_balance_v2", bool)
    await reads("futures_account_balance_v3", bool)
    await reads("futures_account_configuration", lambda data: data.multi_assets_margin is False)
    await reads("position_information_v2", bool)
    await reads("position_information_v3", lambda data: row(data).symbol == "BTCUSDT")
    await reads("symbol_configuration", lambda data: row(data).leverage == 20, symbol="BTCUSDT")
    await reads("notional_and_leverage_brackets", lambda data: "BTCUSDT" in str(data))
    await reads("get_current_position_mode", lambda data: data.dual_side_position is False)
    await reads("get_current_multi_assets_mode", lambda data: data.multi_assets_margin is False)
    await reads("users_force_orders", lambda data: data == [])
    await reads("position_adl_quantile_estimation", lambda data: "BTCUSDT" in str(data))
    await reads("asset_index", lambda data: "USDTUSD" in str(data))
    await reads("start_user_data_stream", lambda data: len(data.listen_key) > 20)
    await reads("keepalive_user_data_stream", lambda _: True)


async def over_ws_api(api: Any) -> None:
    """Read over the WebSocket API."""
    connection = await api.create_connection()

    def reads(name: str, right: Any) -> Any:
        async def attempt() -> str | None:
            answer = await getattr(connection, name)()
            data = answer.data()
            return unless(right=right(data), got=data)

        return tries(f"websocket_api.{name}", attempt)

    def held(data: Any) -> bool:
        return any(p.symbol == "BTCUSDT" for p in data.result)

    await reads("position_information", held)
    await reads("position_information_v2", held)
    await reads("account_information", lambda data: bool(data.result.assets))
    await reads("account_information_v2", lambda data: bool(data.result.assets))
    await reads("futures_account_balance", lambda data: bool(data.result))
    await reads("futures_account_balance_v2", lambda data: bool(data.result))
    await reads("start_user_data_stream", lambda data: len(data.result.listen_key) > 20)
    await reads("keepalive_user_data_stream", lambda data: len(data.result.listen_key) > 20)
    await connection.close_connection(close_session=True)


async def over_streams(client: Any) -> None:
    """Listen to the account and to a mark price."""
    key = (await asyncio.to_thread(client.rest_api.start_user_data_stream)).data().listen_key
    streams = await client.websocket_streams.create_connection()
    told: asyncio.Queue[Any] = asyncio.Queue()
    marks: asyncio.Queue[Any] = asyncio.Queue()

    async def user_data() -> str | None:
        stream = await streams.user_data(key)
        stream.on("message", told.put_nowait)
        wanted = {"AccountUpdate", "OrderTradeUpdate", "TradeLite", "AccountConfigUpdate"}
        while wanted:
            event = await told.get()
            wanted.discard(type(event.actual_instance).__name__)
        return None

    async def mark_price() -> str | None:
        stream = await streams.mark_price_stream(symbol="btcusdt", update_speed="1s")
        stream.on("message", marks.put_nowait)
        mark = await marks.get()
        return unless(right="BTCUSDT" in str(mark), got=mark)

    await tries("websocket_streams.user_data", user_data)
    await tries("websocket_streams.mark_price_stream", mark_price)
    await streams.close_connection(close_session=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    sys.exit(bool(verdicts.failed))
