"""What REST serves: the calls that a reader and the common client libraries make.

Source: docs/protocol.md §3.5, §4.2, §6.6, §8, §10. Nothing here places or changes an order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from monitor.sim.account import Account, RestingOrder
from monitor.sim.amounts import money, plain
from monitor.sim.contracts import brackets, exchange_info
from monitor.sim.desk import Desk
from monitor.sim.indexes import rest_row
from monitor.sim.marks import FUNDING_RATE, next_funding
from monitor.sim.weight import RefusedRequestError

_NINETY_DAYS_MS = 90 * 24 * 60 * 60 * 1000
_PERMISSIONS = {
    "ipRestrict": True,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": False,
    "enableSpotAndMarginTrading": False,
    "enablePortfolioMarginTrading": False,
}


@dataclass(frozen=True, slots=True)
class Question:
    """A request whose key and signature are in order."""

    desk: Desk
    params: dict[str, str]
    account: Account | None

    @property
    def asker(self) -> Account:
        """Whose key came with it; only where the route asks for one."""
        assert self.account is not None  # noqa: S101 - `rest` finds it before the route is asked
        return self.account

    @property
    def symbols(self) -> list[str]:
        """The one that is asked for, or all.

        Raises:
            RefusedRequestError: There is no such symbol.
        """
        return self.desk.symbols(self.params.get("symbol"))

    def one_or_all(self, rows: list[Any]) -> Any:
        """An object where one symbol is asked for, else a list."""
        return rows[0] if "symbol" in self.params else rows


@dataclass(frozen=True, slots=True)
class Route:
    """One call."""

    handle: Callable[[Question], Any]
    weight: int
    "With a symbol, or where that makes no difference."
    key: Literal["none", "sent", "signed"] = "none"
    without_symbol: int | None = None
    "Weight without a symbol, where that is another."
    counted: bool = True
    "Against the weight of futures; the wallet's host counts for itself."

    @property
    def weight_of_all(self) -> int:
        """Weight without a symbol."""
        return self.weight if self.without_symbol is None else self.without_symbol


# The market


def _time(question: Question) -> Any:
    return {"serverTime": question.desk.server_time()}


def _exchange_info(question: Question) -> Any:
    desk = question.desk
    market = desk.market
    return exchange_info(market.symbols, market.listing, desk.meter.limit, desk.server_time())


def _premium_index(question: Question) -> Any:
    """Tell the mark of a symbol, or of all."""
    now = question.desk.server_time()
    marks = question.desk.market.marks
    rows = [
        {
            "symbol": name,
            "markPrice": money(marks[name]),
            "indexPrice": money(marks[name]),
            "estimatedSettlePrice": money(marks[name]),
            "lastFundingRate": FUNDING_RATE,
            "interestRate": FUNDING_RATE,
            "nextFundingTime": next_funding(now),
            "time": now,
        }
        for name in question.symbols
    ]
    return question.one_or_all(rows)


def _price(question: Question) -> Any:
    """Tell the last price, which is the mark here."""
    desk = question.desk
    now, marks = desk.server_time(), desk.market.marks
    rows = [{"symbol": s, "price": plain(marks[s]), "time": now} for s in question.symbols]
    return question.one_or_all(rows)


def _asset_index(question: Question) -> Any:
    """Tell what an asset is worth, by the name that the stream has for it: `USDTUSD`."""
    desk = question.desk
    rows = {
        name: rest_row(row) for name, row in desk.market.indexes.rows(desk.server_time()).items()
    }
    symbol = question.params.get("symbol")
    if symbol is None:
        return list(rows.values())
    if symbol not in rows:
        raise RefusedRequestError(400, -1121, "Invalid symbol.")
    return rows[symbol]


def _adl_risk(question: Question) -> Any:
    now = question.desk.server_time()
    rows = [{"symbol": s, "adlRisk": "low", "updateTime": now} for s in question.symbols]
    return question.one_or_all(rows)


# The account


def _poll(method: str) -> Callable[[Question], Any]:
    """Answer as the WebSocket API's poll does."""

    def handle(question: Question) -> Any:
        return question.desk.poll(method, question.asker, question.params.get("symbol"))

    return handle


def _account_config(question: Question) -> Any:
    account = question.desk.shown(question.asker)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.hedge,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }


def _symbol_config(question: Question) -> Any:
    account = question.desk.shown(question.asker)
    rows = []
    for symbol in question.symbols:
        setting = account.setting_of(symbol)
        rows.append(
            {
                "symbol": symbol,
                "marginType": "ISOLATED" if setting.isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": setting.leverage,
                "maxNotionalValue": plain(account.listing.max_notional(symbol, setting.leverage)),
            }
        )
    return rows


def _brackets(question: Question) -> Any:
    rows = [brackets(symbol, question.asker.listing) for symbol in question.symbols]
    lone = question.desk.quirks.lone_bracket == "object"
    return question.one_or_all(rows) if lone else rows


def _adl_quantile(question: Question) -> Any:
    """Tell places in the queue; cross in hedge mode has `HEDGE` in place of `BOTH` (§8.4)."""
    account = question.desk.shown(question.asker)
    held = sorted({position.symbol for position in account.held()})
    rows = []
    for symbol in [symbol for symbol in question.symbols if symbol in held]:
        shared = account.hedge and not account.setting_of(symbol).isolated
        sides = ("LONG", "SHORT", "HEDGE" if shared else "BOTH")
        rows.append({"symbol": symbol, "adlQuantile": dict.fromkeys(sides, 2)})
    return question.one_or_all(rows) if rows else []


def _force_orders(question: Question) -> Any:
    """Tell an account's forced orders of the last ninety days, newest last."""
    desk, params = question.desk, question.params
    now = desk.server_time()
    first = max(_number(params, "startTime", 0), now - _NINETY_DAYS_MS)
    last = _number(params, "endTime", now)
    kinds = {"LIQUIDATION": "autoclose-", "ADL": "adl_autoclose", None: ""}
    prefix = kinds.get(params.get("autoCloseType"))
    if prefix is None:
        raise RefusedRequestError(400, -1106, "Parameter 'autoCloseType' sent when not required.")
    symbols = {params["symbol"]} if "symbol" in params else None
    found = [
        order.row()
        for order in desk.market.forced.of(question.asker.name)
        if first <= order.time <= last and order.client_id.startswith(prefix)
        if symbols is None or order.symbol in symbols
    ]
    return found[-_number(params, "limit", 50) :]


def _number(params: dict[str, str], name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not text.isdecimal():
        raise RefusedRequestError(
            400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        )
    return int(text)


def _open_orders(question: Question) -> Any:
    account, symbols = question.desk.shown(question.asker), set(question.symbols)
    return [_open_order(order) for order in account.orders if order.symbol in symbols]


def _open_order(order: RestingOrder) -> dict[str, Any]:
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": "NEW",
        "clientOrderId": order.client_id,
        "price": plain(order.price),
        "avgPrice": "0",
        "origQty": plain(abs(order.quantity)),
        "executedQty": "0",
        "cumQuote": "0",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "reduceOnly": False,
        "closePosition": False,
        "side": "BUY" if order.quantity > Decimal(0) else "SELL",
        "positionSide": order.side,
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": "LIMIT",
        "time": order.time,
        "updateTime": order.time,
    }


def _permissions(question: Question) -> Any:
    """Tell what the key may do (§10)."""
    account = question.asker
    portfolio = {"enablePortfolioMarginTrading": account.portfolio_margin}
    created = {"createTime": question.desk.clock.start_ms}
    return _PERMISSIONS | portfolio | account.permissions | created


def _start(question: Question) -> Any:
    return {"listenKey": question.desk.start_listening(question.asker.name)}


def _keep(question: Question) -> Any:
    return {"listenKey": question.desk.keep_listening(question.asker.name)}


def _stop(question: Question) -> Any:
    question.desk.stop_listening(question.asker.name)
    return {}


def _polls(path: str, method: str, weights: dict[int, int]) -> dict[str, Route]:
    return {
        f"GET /fapi/v{version}/{path}": Route(
            _poll(f"v2/{method}" if version == 3 and method != "account.balance" else method),
            weight,
            "signed",
        )
        for version, weight in weights.items()
    }


ROUTES: dict[str, Route] = {
    "GET /fapi/v1/ping": Route(lambda _: {}, 1),
    "GET /fapi/v1/time": Route(_time, 1),
    "GET /fapi/v1/exchangeInfo": Route(_exchange_info, 1),
    "GET /fapi/v1/premiumIndex": Route(_premium_index, 1, without_symbol=10),
    "GET /fapi/v1/ticker/price": Route(_price, 1, without_symbol=2),
    "GET /fapi/v2/ticker/price": Route(_price, 1, without_symbol=2),
    "GET /fapi/v1/assetIndex": Route(_asset_index, 1, without_symbol=10),
    "GET /fapi/v1/symbolAdlRisk": Route(_adl_risk, 1),
    "POST /fapi/v1/listenKey": Route(_start, 1, "sent"),
    "PUT /fapi/v1/listenKey": Route(_keep, 1, "sent"),
    "DELETE /fapi/v1/listenKey": Route(_stop, 1, "sent"),
    **_polls("account", "account.status", {1: 10, 2: 10, 3: 5}),
    **_polls("balance", "account.balance", {1: 10, 2: 10, 3: 5}),
    **_polls("positionRisk", "account.position", {1: 10, 2: 10, 3: 5}),
    "GET /fapi/v1/accountConfig": Route(_account_config, 5, "signed"),
    "GET /fapi/v1/symbolConfig": Route(_symbol_config, 5, "signed"),
    "GET /fapi/v1/leverageBracket": Route(_brackets, 1, "signed"),
    "GET /fapi/v1/adlQuantile": Route(_adl_quantile, 5, "signed"),
    "GET /fapi/v1/forceOrders": Route(_force_orders, 20, "signed", without_symbol=50),
    "GET /fapi/v1/openOrders": Route(_open_orders, 1, "signed", without_symbol=40),
    "GET /fapi/v1/positionSide/dual": Route(
        lambda q: {"dualSidePosition": q.asker.hedge}, 30, "signed"
    ),
    "GET /fapi/v1/multiAssetsMargin": Route(
        lambda q: {"multiAssetsMargin": q.asker.multi_assets}, 30, "signed"
    ),
    "GET /sapi/v1/account/apiRestrictions": Route(_permissions, 1, "signed", counted=False),
}
"By method and path."
