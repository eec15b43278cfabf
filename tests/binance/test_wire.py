"""Frames in, models out, or `FrameGarbled` that names the place and never a value."""

import json
import random
import string

import pytest

from monitor.binance import wire, wire_api, wire_market
from monitor.errors import FrameGarbled
from tests.binance import messages

USER_FRAMES = {
    messages.ACCOUNT_UPDATE: wire.AccountUpdate,
    messages.LIVE_2026: wire.AccountUpdate,
    messages.LIVE_CROSS: wire.AccountUpdate,
    messages.FUNDING: wire.AccountUpdate,
    messages.FUNDING_WITHOUT_P: wire.AccountUpdate,
    messages.DEPOSIT_2020: wire.AccountUpdate,
    messages.BNFCR: wire.AccountUpdate,
    messages.MARGIN_TYPE_CHANGE: wire.AccountUpdate,
    messages.MARGIN_CALL: wire.MarginCall,
    messages.LEVERAGE: wire.AccountConfigUpdate,
    messages.MULTI_ASSETS: wire.AccountConfigUpdate,
    messages.ORDER: wire.OrderTradeUpdate,
    messages.order("autoclose-1"): wire.OrderTradeUpdate,
    messages.TRADE_LITE: wire.TradeLite,
    messages.REAL_LIQUIDATION: wire.TradeLite,
    messages.EXPIRED: wire.ListenKeyExpired,
    messages.EXPIRED_AS_TEXT: wire.ListenKeyExpired,
    messages.EXPIRED_WITHOUT_KEY: wire.ListenKeyExpired,
    messages.EXPIRED_WRAPPED: wire.ListenKeyExpired,
    messages.SHUTDOWN: wire.ServerShutdown,
    '{"e": "SOMETHING_NEW", "E": 1, "x": {"deep": []}}': wire.OtherEvent,
    **dict.fromkeys(messages.IGNORED, wire.IgnoredEvent),
}


@pytest.mark.parametrize(("text", "kind"), USER_FRAMES.items())
def test_every_documented_event_is_known(text: str, kind: type) -> None:
    assert type(wire.parse_user(text)) is kind


@pytest.mark.parametrize("text", [text for text in USER_FRAMES if "stream" not in text])
def test_a_wrapped_event_is_the_same_event(text: str) -> None:
    wrapped = f'{{"stream": "key", "data": {text}}}'
    assert wire.parse_user(wrapped) == wire.parse_user(text)


@pytest.mark.parametrize(
    "text", [text for text, kind in USER_FRAMES.items() if kind is not wire.OtherEvent]
)
def test_fields_that_are_new_pass(text: str) -> None:
    def grown(value: object) -> object:
        if isinstance(value, dict):
            return {key: grown(inner) for key, inner in value.items()} | {"zz": [{}]}
        return [grown(inner) for inner in value] if isinstance(value, list) else value

    assert wire.parse_user(json.dumps(grown(json.loads(text)))) == wire.parse_user(text)


def test_a_live_key_expiry_carries_time_and_key() -> None:
    assert wire.parse_user(messages.EXPIRED_AS_TEXT) == wire.ListenKeyExpired(
        e="listenKeyExpired", E=1693427319838, listenKey="WsCMN0a4KHUPTQ"
    )


GARBLED = [
    pytest.param("", "user data frame: is not JSON", id="nothing"),
    pytest.param(messages.ORDER[:200], "user data frame: is not JSON", id="half"),
    pytest.param(
        "null", "user data frame: has another meaning than documented (dict_type)", id="null"
    ),
    pytest.param("[" * 5000, "user data frame: is not JSON", id="endless"),
    pytest.param('{"id": 1}', "user data frame: `e` is missing", id="no event"),
    pytest.param('{"e": 7}', "user data frame: `e` is missing", id="a number for a type"),
    pytest.param(
        '{"data": {"e": "MARGIN_CALL", "E": 1}}', "MARGIN_CALL: `p` is missing", id="wrapped"
    ),
]


@pytest.mark.parametrize(("text", "said"), GARBLED)
def test_a_frame_of_no_shape_is_garbled(text: str, said: str) -> None:
    with pytest.raises(FrameGarbled) as caught:
        wire.parse_user(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "number",
    [
        '"NaN"',
        '"Infinity"',
        '"1_000"',
        '" 1"',
        '"1e5"',
        '"٣"',
        '"0x1"',
        '""',
        '"12,5"',
        "true",
        "[]",
        "{}",
        '"1234567890123456789"',
        "1e300",
    ],
)
def test_a_number_that_is_none_is_garbled_and_not_quoted(number: str) -> None:
    text = messages.LIVE_CROSS.replace('"-0.473"', number)
    with pytest.raises(FrameGarbled) as caught:
        wire.parse_user(text)
    said = str(caught.value)
    assert said.startswith("ACCOUNT_UPDATE: `a.P.0.pa` ")
    assert number.strip('"') not in said or number == '""'


@pytest.mark.parametrize("number", ["12", "-0.5", "0"])
def test_a_json_number_is_taken_as_its_text(number: str) -> None:
    message = wire.parse_user(messages.LIVE_CROSS.replace('"-0.473"', number))
    assert isinstance(message, wire.AccountUpdate)
    assert (message.change.positions or [])[0].quantity == number


@pytest.mark.parametrize("broken", ["null", '"1_000x"', "1783094748075000", "-5", "{}"])
def test_a_time_that_is_none_is_garbled(broken: str) -> None:
    with pytest.raises(FrameGarbled, match=r"^ACCOUNT_UPDATE: `E` "):
        wire.parse_user(messages.LIVE_2026.replace("1783094748075", broken))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(messages.MARK, [("BTCUSDT", "11794.15000000")], id="one"),
        pytest.param(
            f"[{messages.MARK}, {messages.MARK}]", [("BTCUSDT", "11794.15000000")] * 2, id="array"
        ),
        pytest.param(
            f'{{"stream": "x", "data": {messages.MARK}}}',
            [("BTCUSDT", "11794.15000000")],
            id="wrapped",
        ),
        pytest.param(
            f'{{"stream": "x", "data": [{messages.MARK}]}}',
            [("BTCUSDT", "11794.15000000")],
            id="wrapped array",
        ),
    ],
)
def test_mark_prices_come_one_or_many(text: str, expected: list[tuple[str, str]]) -> None:
    found = wire_market.parse_market(text)
    assert isinstance(found, list)
    assert [(one.symbol, one.price) for one in found] == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"result": null, "id": 1}', wire_market.ControlAnswer),
        ('{"code": 2, "msg": "Invalid request: too many parameters"}', wire_market.ControlAnswer),
        ('{"error": {"code": 3, "msg": "Invalid JSON"}, "id": 4}', wire_market.ControlAnswer),
        (messages.SHUTDOWN, wire.ServerShutdown),
        ('{"e": "24hrTicker"}', wire.OtherEvent),
    ],
)
def test_what_else_a_market_socket_says_is_told_apart(text: str, kind: type) -> None:
    assert type(wire_market.parse_market(text)) is kind


@pytest.mark.parametrize("price", ['"0"', '"0.00000000"', '"-1"', '""', "null"])
def test_a_mark_price_of_nothing_is_no_price(price: str) -> None:
    with pytest.raises(FrameGarbled, match=r"^markPriceUpdate: `p` "):
        wire_market.parse_market(
            messages.MARK.replace('"11794.15000000",\n"ap"', f'{price},\n"ap"')
        )


def test_answers_of_both_versions_are_read() -> None:
    v1 = wire_api.read_positions("account.position", json.loads(messages.POSITIONS_V1))
    v2 = wire_api.read_positions("v2/account.position", json.loads(messages.POSITIONS_V2))
    assert [(row.leverage, row.margin_type, row.unrealized_pnl) for row in v1] == [
        (4, "cross", "-1.06214947"),
        (4, "cross", "0.00000000"),
    ]
    # One row spells it unRealizedProfit, the other unrealizedProfit: both have been on the wire.
    assert [(row.adl, row.unrealized_pnl) for row in v2] == [(2, "0.76427700"), (2, "21.20817624")]
    status = wire_api.read_status("account.status", json.loads(messages.STATUS_V1))
    assert (status.multi_assets, status.positions[0].isolated) == (False, True)
    assert wire_api.read_status("x", json.loads(messages.STATUS_V2)).multi_assets is None
    assert wire_api.read_balances("x", json.loads(messages.BALANCE))[0].wallet == "122607.35137903"


def test_a_number_that_an_answer_can_do_without_is_unknown_where_it_cannot_be_read() -> None:
    rows = json.loads(messages.POSITIONS_V2)
    rows[0] |= {"markPrice": "", "adl": "x"}
    rows[1] |= {"markPrice": "NaN", "notional": {}}
    spoilt: list[str] = []
    read = wire_api.read_positions("v2/account.position", rows, spoilt)
    assert [(row.mark_price, row.adl, row.notional is None) for row in read] == [
        (None, None, False),
        (None, 2, True),
    ]
    assert spoilt == ["mark_price", "adl", "notional"]


@pytest.mark.parametrize("key", ["symbol", "positionSide", "positionAmt", "entryPrice"])
def test_what_says_that_there_is_a_position_is_read_or_the_answer_is_garbled(key: str) -> None:
    rows = json.loads(messages.POSITIONS_V2)
    rows[0][key] = None
    with pytest.raises(FrameGarbled):
        wire_api.read_positions("v2/account.position", rows)


def test_a_garbled_answer_names_its_method_and_path() -> None:
    rows = json.loads(messages.POSITIONS_V2)
    del rows[1]["entryPrice"]
    with pytest.raises(FrameGarbled) as caught:
        wire_api.read_positions("v2/account.position", rows)
    assert str(caught.value) == "v2/account.position: `1.entryPrice` is missing"


@pytest.mark.parametrize(
    ("limits", "weight"),
    [
        (
            [
                {
                    "rateLimitType": "ORDERS",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": 1,
                    "count": 1,
                },
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": 2400,
                    "count": 20,
                },
            ],
            (20, 2400),
        ),
        (None, None),
        ("odd", None),
        ([7, {}], None),
    ],
)
def test_odd_rate_limits_never_cost_the_answer(limits: object, weight: object) -> None:
    assert wire_api.minute_weight(limits) == weight


def _mutated(text: str, rng: random.Random) -> str:
    """Spoil a frame: bytes dropped, doubled or replaced, or a value of another kind put in."""
    if rng.random() < 0.5:
        at = rng.randrange(len(text))
        return (
            text[:at]
            + rng.choice(["", rng.choice(string.printable), "\ud800", "[[[["])
            + (text[at + rng.choice([0, 1, 1, 7]) :])
        )
    values = [
        "null",
        "true",
        "-1",
        "1e400",
        '"NaN"',
        "[]",
        "{}",
        '"\\ud800"',
        '"' + "9" * 400 + '"',
    ]
    parts = text.split(":")
    at = rng.randrange(1, len(parts))
    tail = parts[at].find(",")
    parts[at] = rng.choice(values) + (parts[at][tail:] if tail >= 0 else "")
    return ":".join(parts)


def test_two_thousand_spoilt_frames_raise_nothing_but_garbled() -> None:
    rng = random.Random(20261121)
    frames = [*USER_FRAMES, messages.MARK]
    garbled = 0
    for _ in range(2000):
        text = _mutated(rng.choice(frames), rng)
        for parse in (wire.parse_user, wire_market.parse_market, wire_api.parse_answer):
            try:
                parse(text)
            except FrameGarbled:
                garbled += 1
    assert garbled > 1000


@pytest.mark.parametrize(
    ("text", "spared"),
    [
        ('{"id":1,"result":{"listenKey":"xs0mRXd', '{"id":1,"result":{"listenKey":"…'),
        (messages.EXPIRED_WRAPPED, messages.EXPIRED_WRAPPED.replace("WsCMN0a4KHUPTQ", "…")),
        ('{"e": "X"}', '{"e": "X"}'),
    ],
)
def test_keys_are_taken_out_of_a_frame_even_of_a_torn_one(text: str, spared: str) -> None:
    assert wire.without_keys(text) == spared
