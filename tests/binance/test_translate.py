"""Messages in, events out: whole events, row by row."""

import json
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.binance import translate, translate_polls, wire, wire_api, wire_market
from monitor.core.events import (
    AccountChanged,
    AccountEvent,
    AssetModeChanged,
    AssetRow,
    BalanceRow,
    CalledPosition,
    ForcedOrderSeen,
    LeverageChanged,
    MarginCalled,
    Mark,
    PositionRow,
    SettingRow,
    StatusRow,
    Totals,
)
from tests.binance import messages

D = Decimal
OFFSET = 250


def events(text: str, *, seq: int = 7) -> list[AccountEvent]:
    return translate.user_events(wire.parse_user(text), account="main", offset=OFFSET, seq=seq)


def row(symbol: str, side: str, quantity: str, entry: str, **rest: object) -> PositionRow:
    return PositionRow(symbol, side, D(quantity), D(entry), **rest)  # type: ignore[arg-type]  # by name


EVENTS = [
    pytest.param(
        messages.ACCOUNT_UPDATE,
        [
            AccountChanged(
                "main",
                1564745798939 - OFFSET,
                1564745798938,
                7,
                "ORDER",
                (
                    BalanceRow("USDT", D("122624.12345678"), D("100.12345678"), D("50.12345678")),
                    BalanceRow("BUSD", D("1.00000000"), D("0.00000000"), D("-49.12345678")),
                ),
                (
                    row(
                        "BTCUSDT",
                        "BOTH",
                        "0",
                        "0.00000",
                        break_even_price=D(0),
                        margin_type="isolated",
                        isolated_wallet=D(0),
                        unrealized_pnl=D(0),
                    ),
                    row(
                        "BTCUSDT",
                        "LONG",
                        "20",
                        "6563.66500",
                        break_even_price=D(0),
                        margin_type="isolated",
                        isolated_wallet=D("13200.70726908"),
                        unrealized_pnl=D("2850.21200"),
                    ),
                    row(
                        "BTCUSDT",
                        "SHORT",
                        "-10",
                        "6563.86000",
                        break_even_price=D("6563.6"),
                        margin_type="isolated",
                        isolated_wallet=D("6570.42511771"),
                        unrealized_pnl=D("-1423.15600"),
                    ),
                ),
            )
        ],
        id="Binance's own ACCOUNT_UPDATE",
    ),
    pytest.param(
        messages.LIVE_CROSS,
        [
            AccountChanged(
                "main",
                1788231624647 - OFFSET,
                1788231624647,
                7,
                "ORDER",
                (BalanceRow("USDC", D(291), D(291), D(0)),),
                (
                    row(
                        "ETHUSDC",
                        "SHORT",
                        "-0.473",
                        "2463.26",
                        break_even_price=D("2463.26"),
                        margin_type="cross",
                        isolated_wallet=D(0),
                        unrealized_pnl=D("0.04257"),
                        margin_asset="USDC",
                    ),
                ),
            )
        ],
        id="a live one with a margin asset",
    ),
    pytest.param(
        messages.FUNDING_WITHOUT_P,
        [
            AccountChanged(
                "main",
                1786500000000 - OFFSET,
                1786500000000,
                7,
                "FUNDING_FEE",
                (BalanceRow("USDC", D("1234.5678"), D("1234.5678")),),
                (),
                "SOLUSDC",
            )
        ],
        id="funding without a P",
    ),
    pytest.param(
        messages.MARGIN_CALL,
        [
            MarginCalled(
                "main",
                1587727187525 - OFFSET,
                1587727187525,
                7,
                (
                    CalledPosition(
                        "ETHUSDT", "LONG", D("1.327"), D("187.17127"), D("-1.166074"), D("1.614445")
                    ),
                ),
            )
        ],
        id="a margin call has no T",
    ),
    pytest.param(
        messages.LEVERAGE,
        [LeverageChanged("main", 1611646737479 - OFFSET, 1611646737476, 7, "BTCUSDT", 25)],
        id="leverage",
    ),
    pytest.param(
        messages.MULTI_ASSETS,
        [AssetModeChanged("main", 1611646737479 - OFFSET, 1611646737476, 7, True)],
        id="asset mode",
    ),
    pytest.param(
        messages.MULTI_ASSETS.replace('"ai"', '"ac": {"s": "X", "l": 2}, "ai"'),
        [
            LeverageChanged("main", 1611646737479 - OFFSET, 1611646737476, 7, "X", 2),
            AssetModeChanged("main", 1611646737479 - OFFSET, 1611646737476, 8, True),
        ],
        id="both at once are two events with two numbers",
    ),
    pytest.param(
        messages.REAL_LIQUIDATION,
        [
            ForcedOrderSeen(
                "main",
                1760582924086 - OFFSET,
                1760582924086,
                7,
                "liquidation",
                "THEUSDT",
                None,
                1652766379,
                "BUY",
                D("33.5"),
                D("0.2941000"),
            )
        ],
        id="a real liquidation, TRADE_LITE first",
    ),
    *[
        pytest.param(text, [], id=f"nothing of ours {number}")
        for number, text in enumerate(
            (
                *messages.IGNORED,
                messages.ORDER,
                messages.TRADE_LITE,
                messages.SHUTDOWN,
                messages.EXPIRED,
                '{"e": "SOMETHING_NEW"}',
            )
        )
    ],
]


@pytest.mark.parametrize(("text", "expected"), EVENTS)
def test_a_message_becomes_its_events(text: str, expected: list[AccountEvent]) -> None:
    assert events(text) == expected


@pytest.mark.parametrize(
    ("client_id", "changed", "happening", "price"),
    [
        ("autoclose-1234567890", {}, "liquidation", "9910.13"),
        ("autoclose-pending-0000", {"L": '"0"', "ap": '"0"'}, "liquidation", "9910.00"),
        ("autoclose-1", {"L": '"0"'}, "liquidation", "9910.12"),
        ("adl_autoclose_12345", {}, "adl", "9910.13"),
        ("adl_autoclose", {"o": '"LIQUIDATION"'}, "adl", "9910.13"),
        ("settlement_autoclose-9999", {}, None, ""),
        ("delivery_autoclose-9999", {"o": '"LIQUIDATION"'}, None, ""),
        ("anything", {"o": '"LIQUIDATION"', "x": '"NEW"'}, "liquidation", "9910.13"),
        ("anything", {}, "liquidation", "9910.13"),
        ("anything", {"x": '"TRADE"'}, None, ""),
        ("my-autoclose-", {"x": '"TRADE"'}, None, ""),
        ("autoclose-1", {"s": '"BTCUSD_PERP"'}, None, ""),
    ],
)
def test_a_forced_order_is_known_by_its_id_then_by_its_type(
    client_id: str, changed: dict[str, str], happening: str | None, price: str
) -> None:
    found = events(messages.order(client_id, **changed))
    if happening is None:
        assert found == []
    else:
        assert found == [
            ForcedOrderSeen(
                "main",
                1568879465651 - OFFSET,
                1568879465650,
                7,
                happening,
                "BTCUSDT",
                "LONG",
                8886999,
                "SELL",
                D("0.014"),
                D(price),
            )
        ]


@pytest.mark.parametrize("reason", ["ADL", "INSURANCE_CLEAR", "NEVER_SEEN_BEFORE", ""])
def test_reasons_pass_as_they_come(reason: str) -> None:
    (event,) = events(messages.FUNDING.replace("FUNDING_FEE", reason))
    assert isinstance(event, AccountChanged)
    assert event.reason == reason


@pytest.mark.parametrize(
    ("symbol", "coin"),
    [
        ("BTCUSD_PERP", True),
        ("BTCUSD_261225", True),
        ("BTCUSDT_261225", False),
        ("BTCUSDT", False),
        ("币安人生USDT", False),
        ("USDCUSDT", False),
    ],
)
def test_symbols_of_coin_m_pass_by(symbol: str, *, coin: bool) -> None:
    assert translate.coin_margined(symbol) is coin
    found = events(messages.LIVE_CROSS.replace("ETHUSDC", symbol))
    assert len(found) == (0 if coin else 1)


def test_a_mixed_update_keeps_our_rows() -> None:
    (event,) = events(messages.LIVE_2026.replace("SLXUSDT", "BTCUSD_PERP", 1))
    assert isinstance(event, AccountChanged)
    assert [(one.symbol, one.position_side) for one in event.positions] == [("SLXUSDT", "SHORT")]


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("cross", "cross"),
        ("CROSSED", "cross"),
        ("isolated", "isolated"),
        ("ISOLATED", "isolated"),
        (True, "isolated"),
        (False, "cross"),
        ("PORTFOLIO", None),
        (None, None),
    ],
)
def test_margin_types_are_spelt_one_way(word: str | bool | None, ours: str | None) -> None:  # noqa: FBT001  a column of the table
    assert translate.margin_type(word) == ours


def test_marks_are_cut_to_eight_decimals_and_our_clock() -> None:
    one = wire_market.MarkPriceUpdate(e="markPriceUpdate", E=1000, s="BTCUSDT", p="1.123456785001")
    assert translate.mark(one, offset=OFFSET) == ("BTCUSDT", Mark(D("1.12345679"), 750))
    assert translate.mark(one.model_copy(update={"symbol_type": 2}), offset=0) is None
    assert translate.mark(one.model_copy(update={"symbol": "BTCUSD_PERP"}), offset=0) is None


def test_v2_rows_carry_everything() -> None:
    rows = wire_api.read_positions("v2", json.loads(messages.POSITIONS_V2))
    ada, comp = translate_polls.position_rows(rows)
    assert ada == row(
        "ADAUSDT",
        "LONG",
        "30",
        "0.385",
        break_even_price=D("0.385077"),
        isolated_wallet=D(0),
        unrealized_pnl=D("0.76427700"),
        margin_asset="USDT",
        mark_price=D("0.41047590"),
        liquidation_price=D(0),
        maintenance_margin=D("0.08004280"),
        initial_margin=D("0.61571385"),
        notional=D("12.31427700"),
        adl=2,
        updated=1720736417660,
    )
    unsaid = {field.name for field in fields(comp) if getattr(comp, field.name) is None}
    assert unsaid == {"margin_type"}
    # Leverage 20 on both is what the recorded accounts were set to (docs/protocol.md §6.3).
    assert translate_polls.inferred_settings(rows) == (
        SettingRow("ADAUSDT", 20, "cross"),
        SettingRow("COMPUSDT", 20, "isolated"),
    )


def test_a_mark_price_of_zero_in_a_poll_is_unknown() -> None:
    text = messages.POSITIONS_V2.replace("0.41047590", "0")
    rows = wire_api.read_positions("v2", json.loads(text))
    assert translate_polls.position_rows(rows)[0].mark_price is None


def test_v1_rows_borrow_their_margins_from_the_status() -> None:
    rows = wire_api.read_positions("v1", json.loads(messages.POSITIONS_V1))
    status = wire_api.read_status("v1", json.loads(messages.STATUS_V1))
    (held,) = translate_polls.position_rows_v1(rows, status)
    assert (held.maintenance_margin, held.initial_margin) == (D("0.5"), D(5))
    assert (held.margin_type, held.notional) == ("cross", D("21.12305052"))
    assert translate_polls.position_rows_v1(rows, None)[0].maintenance_margin is None
    assert translate_polls.setting_rows(rows) == (SettingRow("BTCUSDT", 4, "cross"),)


def test_a_status_gives_assets_positions_and_totals() -> None:
    status = wire_api.read_status("v2", json.loads(messages.STATUS_V2))
    balances = wire_api.read_balances("b", json.loads(messages.BALANCE))
    assert translate_polls.asset_rows(status, balances) == (
        AssetRow(
            "USDC", D("103.12345678"), D("103.12345678"), D("126.72469206"), D(0), 1625474304765
        ),
        AssetRow(
            "USDT", D("122607.35137903"), D("23.72469206"), D("23.72469206"), None, 1617939110373
        ),
    )
    assert translate_polls.listed_rows(status) == (StatusRow("BTCUSDT", "BOTH", D(1)),)
    assert translate_polls.totals(status) == Totals(
        D("103.12345678"), D("103.12345678"), D(0), D(0), D(0), D("103.12345678")
    )


@pytest.mark.parametrize("gone", ["totalWalletBalance", "totalCrossUnPnl", "totalMaintMargin"])
def test_a_status_without_a_total_has_no_totals_and_is_good_all_the_same(gone: str) -> None:
    """They matter in multi-assets mode alone."""
    path = Path(__file__).parent.parent / "payloads/account_status_v1_single_asset_zh.json"
    answer = json.loads(path.read_text())["result"]
    del answer[gone]
    status = wire_api.read_status("account.status", answer)
    assert translate_polls.totals(status) is None
    assert [row.asset for row in translate_polls.asset_rows(status, ())] == ["USDT", "BUSD"]


def test_settings_of_a_status_are_those_of_v1() -> None:
    """`leverage` is a text there, and the margin type a boolean (docs/protocol.md §6.4)."""
    status = wire_api.read_status("s", json.loads(messages.STATUS_V1))
    assert translate_polls.status_settings(status) == (
        SettingRow("BTCUSDT", 100, "isolated"),
        SettingRow("ETHUSDT", 20, "cross"),
    )


@pytest.mark.parametrize(("side", "expected"), [("SHORT", "-1"), ("LONG", "1"), ("BOTH", "1")])
def test_in_hedge_mode_the_side_gives_the_sign(side: str, expected: str) -> None:
    """An example of the documents shows a SHORT without a minus (docs/protocol.md §6.2)."""
    row = {
        "symbol": "BTCUSDT",
        "positionSide": side,
        "positionAmt": "1.000",
        "entryPrice": "60000",
        "updateTime": 0,
    }
    (position,) = translate_polls.position_rows(
        wire_api.read_positions("v2/account.position", [row])
    )
    assert position.quantity == Decimal(expected)
