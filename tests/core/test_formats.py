"""Numbers, durations and instants as a trader reads them."""

import re
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.formats import Style, clock, clock_after, formatted, phrase, show, span
from monitor.core.language.units import Scope, Unit
from monitor.core.metrics import METRICS
from monitor.core.notices import Grade, Reading
from tests.core.worlds import EPOCH

D = Decimal
FRESH, AGED, LOST, ABSENT = Grade.FRESH, Grade.AGED, Grade.UNKNOWN, Grade.ABSENT
VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("name", "reading", "text"),
    [
        ("roi", Reading(FRESH, D("-0.5025")), "-50.2 %"),
        ("roi", Reading(FRESH, D("0.5025")), "+50.2 %"),
        ("roi", Reading(FRESH, D(0)), "0.0 %"),
        ("liquidation_distance", Reading(FRESH, D("0.00042")), "0.042 %"),
        ("effective_leverage", Reading(FRESH, D("5.16666")), "5.2x"),
        ("effective_leverage", Reading(FRESH, D("Infinity")), "none"),
        ("equity", Reading(FRESH, D("1234567.891")), "1,234,567.89"),
        ("unrealized_pnl", Reading(FRESH, D("1234.5")), "+1,234.50"),
        ("unrealized_pnl", Reading(FRESH, D("-0.00335")), "-0.0034"),
        ("mark_price", Reading(FRESH, D("0.00001234")), "0.00001234"),
        ("mark_price", Reading(FRESH, D("59300.12345678")), "59,300.1"),
        ("mark_price", Reading(FRESH, D("3012.3456")), "3,012.35"),
        ("mark_price", Reading(FRESH, D(100)), "100"),
        ("mark_price", Reading(FRESH, D(0)), "0"),
        ("mark_price", Reading(FRESH, D("1.2E-7")), "0.00000012"),
        ("mark_price", Reading(FRESH, D("1E+5")), "100,000"),
        ("mark_price", Reading(FRESH, D("-0")), "0"),
        ("unrealized_pnl", Reading(FRESH, D("-1E-12")), "0.00000000"),
        ("unrealized_pnl", Reading(FRESH, D("1E-12")), "0.00000000"),
        ("unrealized_pnl", Reading(FRESH, D("-0.00")), "0.00"),
        ("unrealized_pnl", Reading(FRESH, D("-0.000001234")), "-0.0000012"),
        ("roi", Reading(FRESH, D("-1E-12")), "0.0 %"),
        ("roi", Reading(FRESH, D("1E-12")), "0.0 %"),
        ("roi", Reading(FRESH, D("-0.00001")), "-0.0010 %"),
        ("roi", Reading(FRESH, D("12345.678")), "+1,234,567.8 %"),
        ("effective_leverage", Reading(FRESH, D("0.00421")), "0.0042x"),
        ("leverage", Reading(FRESH, D("2E+1")), "20x"),
        ("average(quantity, 1h)", Reading(FRESH, D(1) / D(3)), "0.33333333"),
        ("change(equity, 1h)", Reading(FRESH, D("-1E-30")), "0.00000000"),
        ("quantity", Reading(FRESH, D("-0.100")), "-0.1"),
        ("quantity", Reading(FRESH, D(1000)), "1,000"),
        ("adl", Reading(FRESH, D(4)), "4"),
        ("data_age", Reading(FRESH, 400), "0.4 s"),
        ("isolated_margin", Reading(ABSENT), "none"),
        ("liquidation_distance", Reading(LOST, D("0.049"), 40_000), "unknown (4.9 % 40 s ago)"),
        ("liquidation_distance", Reading(LOST, None, 40_000), "unknown"),
        ("liquidation_distance", Reading(LOST, D(1), None), "unknown"),
        ("liquidation_distance", Reading(FRESH, None, 5), "unknown"),
        ("liquidation_distance", Reading(AGED, D("0.049"), 40_000), "4.9 % (40 s ago)"),
        ("margin_type", Reading(AGED, "cross", None), "cross"),
    ],
)
def test_a_value_with_its_doubt(name: str, reading: Reading, text: str) -> None:
    assert show(name, reading) == text


POSITION = Style("USDT", Scope.POSITION, None, D("59300"))
POOL = Style("BTC", Scope.POOL)


@pytest.mark.parametrize(
    ("name", "reading", "style", "text"),
    [
        ("unrealized_pnl", Reading(FRESH, D("-70")), POSITION, "unrealized PnL -70.00 USDT"),
        (
            "total_unrealized_pnl",
            Reading(FRESH, D("0.0123")),
            POOL,
            "total unrealized PnL +0.0123 BTC",
        ),
        ("equity", Reading(FRESH, D("2500.5")), POOL, "equity 2,500.50 BTC"),
        # In multi-assets mode a pool is counted in USD, whatever the position's asset is.
        ("equity", Reading(FRESH, D("12.5")), POSITION, "equity 12.50"),
        ("adl", Reading(FRESH, D(4)), POSITION, "ADL place 4 of 4"),
        ("stale_for", Reading(FRESH, 65_000), POSITION, "stale for 65 s"),
        ("mark_price", Reading(FRESH, D("59300.123")), POSITION, "mark price 59,300.1"),
        ("liquidation_price", Reading(FRESH, D("0.75")), POSITION, "liquidation price 0.8"),
        (
            "liquidation_price",
            Reading(FRESH, D("0.0123456")),
            POSITION,
            "liquidation price 0.0123456",
        ),
        ("liquidation_price", Reading(ABSENT), POSITION, "no liquidation price"),
        (
            "liquidation_distance",
            Reading(AGED, D("Infinity"), 48_000),
            POSITION,
            "no liquidation price (48 s ago)",
        ),
        (
            "liquidation_distance",
            Reading(FRESH, D("-0.003")),
            POSITION,
            "liquidation distance -0.3 %, at or beyond the liquidation price",
        ),
        ("margin_room", Reading(FRESH, D(0)), POSITION, "margin room 0.0 %, nothing is left"),
        ("isolated_margin", Reading(ABSENT), POSITION, "isolated margin none"),
        (
            "highest(margin_ratio, 1h)",
            Reading(FRESH, D("Infinity")),
            POOL,
            "highest margin ratio in 1h above 100 %",
        ),
        (
            "lowest(liquidation_distance, 5m)",
            Reading(AGED, D("Infinity"), 40_000),
            POSITION,
            "lowest liquidation distance in 5m beyond any number (40 s ago)",
        ),
        (
            "change(effective_leverage, 5m)",
            Reading(FRESH, D("-Infinity")),
            POSITION,
            "change of effective leverage in 5m down beyond any number",
        ),
        ("roi", Reading(LOST), POSITION, "ROI unknown"),
        (
            "margin_ratio",
            Reading(FRESH, D("Infinity")),
            POOL,
            "margin ratio above 100 %, no margin balance left",
        ),
        (
            "account_leverage",
            Reading(LOST, D("Infinity"), 700_000),
            POOL,
            "account leverage unknown (beyond any number, no equity left 12 min ago)",
        ),
    ],
)
def test_a_number_in_a_sentence(name: str, reading: Reading, style: Style, text: str) -> None:
    assert phrase(name, reading, style) == text


def test_prices_of_the_exchange_keep_their_digits() -> None:
    style = Style(price_digits=2)
    assert show("mark_price", Reading(FRESH, D("59300")), style) == "59,300.00"
    assert show("entry_price", Reading(FRESH, D("0.123456")), style) == "0.12"
    assert show("entry_price", Reading(FRESH, D("-0.001")), style) == "-0.0010"
    assert show("liquidation_price", Reading(FRESH, D("0.0000123")), style) == "0.000012"
    pepe = Style("USDT", Scope.POSITION, 8, D("0.00001234"))
    assert show("mark_price", Reading(FRESH, D("0.00001234")), pepe) == "0.00001234"
    assert show("mark_price", Reading(FRESH, D("1E-8")), pepe) == "0.00000001"


def test_a_format_says_how_to_write_and_never_gets_an_exponent_unasked() -> None:
    written = {
        spec: formatted(D(number), spec)
        for number, spec in (
            ("1E-8", ","),
            ("59300.1", ",.2"),
            ("-0.3", ".0f"),
            ("-0.3", "+.0f"),
            ("-0.0004", ".1%"),
            ("-0", ""),
            ("12.5", "f>8"),
            ("12.5", "%<+8,.2"),
            ("1E+3", "010"),
            ("12345", ".1e"),
        )
    }
    assert written == {
        ",": "0.00000001",
        ",.2": "59,300.10",
        ".0f": "0",
        "+.0f": "+0",
        ".1%": "0.0%",
        "": "0",
        "f>8": "ffff12.5",
        "%<+8,.2": "+12.50%%",
        "010": "0000001000",
        ".1e": "1.2e+4",
    }


NUMBERS = [name for name, one in METRICS.items() if one.unit not in {Unit.TEXT, Unit.DURATION}] + [
    "change(unrealized_pnl, 5m)",
    "average(mark_price, 1h)",
]
sizes = st.builds(
    lambda digits, exponent, sign: D((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 10**12),
    st.integers(-30, 12),
    st.integers(0, 1),
)
styles = st.builds(
    Style,
    st.sampled_from(["", "USDT", "BTC"]),
    st.sampled_from([Scope.POSITION, Scope.POOL]),
    st.none() | st.integers(0, 8),
    st.none() | st.sampled_from([D("0.00001234"), D("59300.1"), D("1E-8")]),
)


@given(st.sampled_from(NUMBERS), sizes, styles, st.sampled_from([FRESH, AGED, LOST]))
def test_no_number_has_an_exponent_or_is_minus_nothing(
    name: str, value: Decimal, style: Style, grade: Grade
) -> None:
    bare = show(name, Reading(FRESH, value), style)
    number = bare.removesuffix(" %").removesuffix("x").replace(",", "")
    assert re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", number)
    read = D(number) / (100 if bare.endswith("%") else 1)
    assert number[0] not in "-+" or read
    # What is written is the number, to its last digit.
    last = D(1).scaleb(D(number).as_tuple().exponent) / (100 if bare.endswith("%") else 1)  # type: ignore[arg-type]
    assert abs(read - value) <= last
    # What is shown as nothing is too small for eight digits.
    assert read or abs(value) < D("1E-8")
    for text in (
        show(name, Reading(grade, value, 700_000), style),
        phrase(name, Reading(grade, value, 700_000), style),
    ):
        assert bare in text or "no liquidation price" in text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0.0 s"),
        (48_000, "48 s"),
        (480_000, "8 min"),
        (10_800_000, "3 h"),
        (172_800_000, "2 d"),
    ],
)
def test_spans(milliseconds: int, text: str) -> None:
    assert span(milliseconds) == text


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (UTC, "2026-01-02 03:00:00 UTC"),
        (VIENNA, "2026-01-02 04:00:00 CET (UTC+1)"),
        (ZoneInfo("Asia/Kolkata"), "2026-01-02 08:30:00 IST (UTC+5:30)"),
        (ZoneInfo("America/Sao_Paulo"), "2026-01-02 00:00:00 UTC-3"),
        (ZoneInfo("Europe/London"), "2026-01-02 03:00:00 GMT (UTC+0)"),
        (timezone(timedelta(hours=2)), "2026-01-02 05:00:00 UTC+2"),
    ],
)
def test_clocks_have_their_offset(zone: timezone, text: str) -> None:
    assert clock(EPOCH, zone) == text


def test_an_earlier_instant_of_the_same_day_is_a_time() -> None:
    assert clock_after(EPOCH - 5000, EPOCH, UTC) == "02:59:55"
    assert clock_after(EPOCH - 86_400_000, EPOCH, UTC) == "2026-01-01 03:00:00 UTC"
    summer = 1_774_746_000_000  # 2026-03-29T01:00:00Z: Vienna's clocks go forward
    assert clock_after(summer - 1000, summer, VIENNA) == "2026-03-29 01:59:59 CET (UTC+1)"
