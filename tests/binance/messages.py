"""Binance's own example messages, from docs/protocol.md §4 to §6, one constant each."""

ACCOUNT_UPDATE = """{"e": "ACCOUNT_UPDATE", "E": 1564745798939, "T": 1564745798938, "a": {
"m": "ORDER",
"B": [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "50.12345678"},
      {"a": "BUSD", "wb": "1.00000000", "cw": "0.00000000", "bc": "-49.12345678"}],
"P": [{"s": "BTCUSDT", "pa": "0", "ep": "0.00000", "bep": "0", "cr": "200", "up": "0",
       "mt": "isolated", "iw": "0.00000000", "ps": "BOTH"},
      {"s": "BTCUSDT", "pa": "20", "ep": "6563.66500", "bep": "0", "cr": "0", "up": "2850.21200",
       "mt": "isolated", "iw": "13200.70726908", "ps": "LONG"},
      {"s": "BTCUSDT", "pa": "-10", "ep": "6563.86000", "bep": "6563.6", "cr": "-45.04000000",
       "up": "-1423.15600", "mt": "isolated", "iw": "6570.42511771", "ps": "SHORT"}]}}"""

LIVE_2026 = """{"e":"ACCOUNT_UPDATE","T":1783094748050,"E":1783094748075,"a":{"B":[{"a":"USDT",
"wb":"14.97792622","cw":"14.97792622","bc":"0"}],"P":[{"s":"SLXUSDT","pa":"0","ep":"0.00000000",
"cr":"0","up":"0","mt":"isolated","iw":"0","ps":"BOTH","ma":"USDT"},{"s":"SLXUSDT","pa":"0",
"ep":"0.00000000","cr":"0.01334000","up":"0","mt":"isolated","iw":"0","ps":"SHORT","ma":"USDT"}],
"m":"ORDER"}}"""

LIVE_CROSS = """{"e":"ACCOUNT_UPDATE","T":1788231624647,"E":1788231624647,"a":{"B":[{"a":"USDC",
"wb":"291","cw":"291","bc":"0"}],"P":[{"s":"ETHUSDC","pa":"-0.473","ep":"2463.26",
"cr":"-48571.11968048","up":"0.04257","mt":"cross","iw":"0","ps":"SHORT","ma":"USDC",
"bep":"2463.26"}],"m":"ORDER"}}"""

FUNDING = """{"e":"ACCOUNT_UPDATE","T":1789117390000,"E":1789117390002,"a":{"m":"FUNDING_FEE",
"B":[{"a":"USDT","wb":"14999.98345678","cw":"14999.98345678","bc":"-0.14000000"}],"P":[]}}"""

FUNDING_WITHOUT_P = """{"e":"ACCOUNT_UPDATE","fs":"UM","E":1786500000000,"T":1786500000000,"a":{
"m":"FUNDING_FEE","B":[{"a":"USDC","wb":"1234.5678","cw":"1234.5678"}],"S":"SOLUSDC"}}"""

DEPOSIT_2020 = """{"e":"ACCOUNT_UPDATE","T":1603093193280,"E":1603093193284,"a":{"B":[{"a":"BNB",
"wb":"0.02575839","cw":"0"}],"P":[],"m":"DEPOSIT"}}"""

BNFCR = """{"e":"ACCOUNT_UPDATE","T":1781606859764,"E":1781606859764,"a":{"m":"ORDER","B":[{
"a":"BNFCR","wb":"5001.28983031","cw":"5001.28983031","bc":"0"}],"P":[]}}"""

MARGIN_TYPE_CHANGE = """{"e":"ACCOUNT_UPDATE","T":1603094890011,"E":1603094890017,"a":{"B":[{
"a":"USDT","wb":"94.90282656","cw":"93.71241461"}],"P":[{"s":"ETHUSDT","pa":"0","ep":"0.00000",
"cr":"-0.00057000","up":"0","mt":"isolated","iw":"0","ps":"BOTH"},{"s":"ETHUSDT","pa":"0",
"ep":"0.00000","cr":"-0.18750000","up":"0","mt":"isolated","iw":"0","ps":"SHORT"}],
"m":"MARGIN_TYPE_CHANGE"}}"""

MARGIN_CALL = """{"e": "MARGIN_CALL", "E": 1587727187525, "cw": "3.16812045", "p": [
{"s": "ETHUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0", "mp": "187.17127",
"up": "-1.166074", "mm": "1.614445"}]}"""

LEVERAGE = """{"e": "ACCOUNT_CONFIG_UPDATE", "E": 1611646737479, "T": 1611646737476,
"ac": {"s": "BTCUSDT", "l": 25}}"""

MULTI_ASSETS = """{"e": "ACCOUNT_CONFIG_UPDATE", "E": 1611646737479, "T": 1611646737476,
"ai": {"j": true}}"""

ORDER = """{"e": "ORDER_TRADE_UPDATE", "E": 1568879465651, "T": 1568879465650, "o": {
"s": "BTCUSDT", "c": "TEST", "S": "SELL", "o": "TRAILING_STOP_MARKET", "f": "GTC", "q": "0.001",
"p": "0", "ap": "0", "sp": "7103.04", "x": "NEW", "X": "NEW", "i": 8886774, "l": "0", "z": "0",
"L": "0", "N": "USDT", "n": "0", "T": 1568879465650, "t": 0, "b": "0", "a": "9.91", "m": false,
"R": false, "wt": "CONTRACT_PRICE", "ot": "TRAILING_STOP_MARKET", "ps": "LONG", "cp": false,
"AP": "7476.89", "cr": "5.0", "pP": false, "si": 0, "ss": 0, "rp": "0", "V": "EXPIRE_TAKER",
"pm": "OPPONENT", "gtd": 0, "er": "0"}}"""


def order(client_id: str, **changed: str) -> str:
    """An ORDER_TRADE_UPDATE of a forced order, as in the fixture of docs/protocol.md §5.4."""
    fields = {
        "s": '"BTCUSDT"', "S": '"SELL"', "o": '"LIMIT"', "q": '"0.014"', "p": '"9910.00"',
        "ap": '"9910.12"', "x": '"CALCULATED"', "X": '"FILLED"', "i": "8886999",
        "L": '"9910.13"', "ps": '"LONG"',
    } | changed  # fmt: skip
    body = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    return (
        '{"e": "ORDER_TRADE_UPDATE", "T": 1568879465650, "E": 1568879465651, '
        f'"o": {{"c": "{client_id}", {body}}}}}'
    )


TRADE_LITE = """{"e": "TRADE_LITE", "E": 1721895408092, "T": 1721895408214, "s": "BTCUSDT",
"q": "0.001", "p": "0", "m": false, "c": "z8hcUoOsqEdKMeKPSABslD", "S": "BUY", "L": "64089.20",
"l": "0.040", "t": 109100866, "i": 8886774}"""

REAL_LIQUIDATION = """{"e":"TRADE_LITE","E":1760582924086,"T":1760582924086,"s":"THEUSDT",
"q":"33.5","p":"0.2985000","m":false,"c":"autoclose-1760582924085065208","S":"BUY",
"L":"0.2941000","l":"33.5","t":130504862,"i":1652766379}"""

IGNORED = (
    """{"e": "STRATEGY_UPDATE", "T": 1669261797627, "E": 1669261797628, "su": {"si": 176054594,
"st": "GRID", "ss": "NEW", "s": "BTCUSDT", "ut": 1669261797627, "c": 8007}}""",
    """{"e": "GRID_UPDATE", "T": 1669262908216, "E": 1669262908218, "gu": {"si": 176057039,
"st": "GRID", "ss": "WORKING", "s": "BTCUSDT", "r": "-0.00300716", "up": "16720", "uq": "-0.001",
"uf": "-0.00300716", "mp": "0.0", "ut": 1669262908197}}""",
    """{"e": "CONDITIONAL_ORDER_TRIGGER_REJECT", "E": 1685517224945, "T": 1685517224955, "or": {
"s": "ETHUSDT", "i": 155618472834, "r": "Due to the order could not be filled immediately"}}""",
    """{"e": "ALGO_UPDATE", "T": 1750515742297, "E": 1750515742303, "o": {"caid": "Q5xaq5", "aid":
2148719, "at": "CONDITIONAL", "o": "TAKE_PROFIT", "s": "BNBUSDT", "S": "SELL", "X": "CANCELED"}}""",
)

EXPIRED = """{"e": "listenKeyExpired", "E": 1736996475556, "listenKey": "WsCMN0a4KHUPTQ"}"""
EXPIRED_AS_TEXT = """{"e":"listenKeyExpired","E":"1693427319838","listenKey":"WsCMN0a4KHUPTQ"}"""
EXPIRED_WITHOUT_KEY = """{"e":"listenKeyExpired","E":1651367138988}"""
EXPIRED_WRAPPED = """{"stream": "WsCMN0a4KHUPTQ", "data": {"e": "listenKeyExpired",
"E": 1736996475556, "listenKey": "WsCMN0a4KHUPTQ"}}"""
SHUTDOWN = """{"event": {"e": "serverShutdown", "E": 1770123456789}}"""

MARK = """{"e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "11794.15000000",
"ap": "11794.15000000", "i": "11784.62659091", "P": "11784.25641265", "r": "", "T": 1562306400000,
"st": 1}"""

POSITIONS_V1 = """[{"symbol": "BTCUSDT", "positionAmt": "0.001", "entryPrice": "22185.2",
"breakEvenPrice": "0.0", "markPrice": "21123.05052574", "unRealizedProfit": "-1.06214947",
"liquidationPrice": "19731.45529116", "leverage": "4", "maxNotionalValue": "100000000",
"marginType": "cross", "isolatedMargin": "0.00000000", "isAutoAddMargin": "false",
"positionSide": "LONG", "notional": "21.12305052", "isolatedWallet": "0",
"updateTime": 1655217461579}, {"symbol": "BTCUSDT", "positionAmt": "0.000", "entryPrice": "0.0",
"breakEvenPrice": "0.0", "markPrice": "21123.05052574", "unRealizedProfit": "0.00000000",
"liquidationPrice": "0", "leverage": "4", "maxNotionalValue": "100000000", "marginType": "cross",
"isolatedMargin": "0.00000000", "isAutoAddMargin": "false", "positionSide": "SHORT",
"notional": "0", "isolatedWallet": "0", "updateTime": 0}]"""

POSITIONS_V2 = """[{"symbol": "ADAUSDT", "positionSide": "LONG", "positionAmt": "30",
"entryPrice": "0.385", "breakEvenPrice": "0.385077", "markPrice": "0.41047590",
"unRealizedProfit": "0.76427700", "liquidationPrice": "0", "isolatedMargin": "0",
"notional": "12.31427700", "marginAsset": "USDT", "isolatedWallet": "0",
"initialMargin": "0.61571385", "maintMargin": "0.08004280", "positionInitialMargin": "0.61571385",
"openOrderInitialMargin": "0", "adl": 2, "bidNotional": "0", "askNotional": "0",
"updateTime": 1720736417660}, {"symbol": "COMPUSDT", "positionSide": "SHORT",
"positionAmt": "-1.000", "entryPrice": "70.92841", "breakEvenPrice": "70.900038636",
"markPrice": "49.72023376", "unrealizedProfit": "21.20817624",
"liquidationPrice": "2260.56757210", "isolatedMargin": "0", "notional": "-49.72023376",
"marginAsset": "USDT", "isolatedWallet": "1.5", "initialMargin": "2.48601168",
"maintMargin": "0.49720233", "positionInitialMargin": "2.48601168",
"openOrderInitialMargin": "0", "adl": 2, "bidNotional": "0", "askNotional": "0",
"updateTime": 1708943511656}]"""

STATUS_V1 = """{"feeTier": 0, "canTrade": true, "canDeposit": true, "canWithdraw": true,
"updateTime": 0, "multiAssetsMargin": false, "tradeGroupId": -1, "totalInitialMargin": "0.00000000",
"totalMaintMargin": "0.00000000", "totalWalletBalance": "23.72469206",
"totalUnrealizedProfit": "0.00000000", "totalMarginBalance": "23.72469206",
"totalPositionInitialMargin": "0.00000000", "totalOpenOrderInitialMargin": "0.00000000",
"totalCrossWalletBalance": "23.72469206", "totalCrossUnPnl": "0.00000000",
"availableBalance": "23.72469206", "maxWithdrawAmount": "23.72469206",
"assets": [{"asset": "USDT", "walletBalance": "23.72469206", "unrealizedProfit": "0.00000000",
"marginBalance": "23.72469206", "maintMargin": "0.00000000", "initialMargin": "0.00000000",
"positionInitialMargin": "0.00000000", "openOrderInitialMargin": "0.00000000",
"crossWalletBalance": "23.72469206", "crossUnPnl": "0.00000000", "availableBalance": "23.72469206",
"maxWithdrawAmount": "23.72469206", "marginAvailable": true, "updateTime": 1625474304765}],
"positions": [{"symbol": "BTCUSDT", "initialMargin": "0", "maintMargin": "0.5",
"unrealizedProfit": "0.00000000", "positionInitialMargin": "5", "openOrderInitialMargin": "0",
"leverage": "100", "isolated": true, "entryPrice": "0.00000", "maxNotional": "250000",
"bidNotional": "0", "askNotional": "0", "positionSide": "LONG", "positionAmt": "0.001",
"updateTime": 0}, {"symbol": "ETHUSDT", "initialMargin": "0", "maintMargin": "0",
"unrealizedProfit": "0", "positionInitialMargin": "0", "leverage": "20", "isolated": false,
"positionSide": "BOTH", "positionAmt": "0", "updateTime": 0}]}"""

STATUS_V2 = """{"totalInitialMargin": "0.00000000", "totalMaintMargin": "0.00000000",
"totalWalletBalance": "103.12345678", "totalUnrealizedProfit": "0.00000000",
"totalMarginBalance": "103.12345678", "totalPositionInitialMargin": "0.00000000",
"totalOpenOrderInitialMargin": "0.00000000", "totalCrossWalletBalance": "103.12345678",
"totalCrossUnPnl": "0.00000000", "availableBalance": "103.12345678",
"maxWithdrawAmount": "103.12345678", "assets": [{"asset": "USDC", "walletBalance": "103.12345678",
"unrealizedProfit": "0.00000000", "marginBalance": "103.12345678", "maintMargin": "0.00000000",
"initialMargin": "0.00000000", "positionInitialMargin": "0.00000000",
"openOrderInitialMargin": "0.00000000", "crossWalletBalance": "103.12345678",
"crossUnPnl": "0.00000000", "availableBalance": "126.72469206",
"maxWithdrawAmount": "103.12345678", "updateTime": 1625474304765}], "positions": [{
"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "1.000",
"unrealizedProfit": "0.00000000", "isolatedMargin": "0.00000000", "notional": "0",
"isolatedWallet": "0", "initialMargin": "0", "maintMargin": "0", "updateTime": 0}]}"""

BALANCE = """[{"accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35137903",
"crossWalletBalance": "23.72469206", "crossUnPnl": "0.00000000", "availableBalance": "23.72469206",
"maxWithdrawAmount": "23.72469206", "marginAvailable": true, "updateTime": 1617939110373}]"""
