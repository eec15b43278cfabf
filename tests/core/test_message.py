"""Notices as a human reads them, and as JSON."""

import json
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.message import as_json, clock, compose, instant, render_template, show, span
from monitor.core.metrics import METRICS
from monitor.core.notices import Grade, Notice, Reading, Target
from monitor.core.rules import Severity
from tests.core.worlds import EPOCH, level, rule

D = Decimal

INFO, WARNING, CRITICAL, NONE = Severity.INFO, Severity.WARNING, Severity.CRITICAL, Severity.NONE
FRESH, AGED, LOST, ABSENT = Grade.FRESH, Grade.AGED, Grade.UNKNOWN, Grade.ABSENT
VIENNA = timezone(timedelta(hours=1), "CET")
RULE = rule(
    "liquidation-distance",
    level(WARNING, "liquidation_distance < 10%"),
    message="{symbol} {side}: {liquidation_distance:.1%} from liquidation at {liquidation_price}",
    runbook="https://example.org/liq",
)
TARGET = Target("main", "BTCUSDT", "BOTH", "long")
VALUES = {
    "symbol": Reading(FRESH, "BTCUSDT"),
    "side": Reading(FRESH, "long"),
    "quantity": Reading(FRESH, D("0.100")),
    "mark_price": Reading(FRESH, D("59300.00"), 400),
    "liquidation_price": Reading(FRESH, D(54000), 1500),
    "liquidation_distance": Reading(FRESH, D("0.08937605396290050590219224283"), 1500),
    "isolated_margin": Reading(ABSENT),
    "roi": Reading(LOST),
    "unrealized_pnl": Reading(FRESH, D("-70.0"), 400),
    "mark_age": Reading(FRESH, 400),
}
FIRED = Notice(
    number=4821,
    at=EPOCH + 20_000,
    kind="fired",
    severity=WARNING,
    rule="liquidation-distance",
    target=TARGET,
    previous=NONE,
    since=EPOCH + 20_000,
    data_age=1500,
    condition="liquidation_distance < 10%",
    values=VALUES,
)


def body(notice: Notice, **more: object) -> str:
    facts = {"now_utc": notice.at + 300, "zone": VIENNA} | more
    return compose(notice, RULE, **facts).body  # type: ignore[arg-type]  # keywords


def test_a_fired_alert() -> None:
    message = compose(FIRED, RULE, now_utc=FIRED.at + 300, zone=VIENNA)
    assert message.title == "WARNING: BTCUSDT long (main): liquidation-distance"
    assert message.body == (
        "BTCUSDT long: 8.9% from liquidation at 54,000\n"
        "liquidation-distance is warning: liquidation_distance < 10%\n"
        "liquidation distance 8.9 %, mark price 59,300, liquidation price 54,000, "
        "unrealized pnl -70.00, roi unknown\n"
        "https://example.org/liq\n"
        "#4821 · 2026-01-02 04:00:20 CET"
    )


def test_an_escalated_one() -> None:
    notice = replace(
        FIRED, kind="escalated", severity=CRITICAL, previous=WARNING, at=EPOCH + 25_000
    )
    message = compose(notice, None, now_utc=notice.at, zone=UTC)
    assert message.title == "CRITICAL: BTCUSDT long (main): liquidation-distance"
    assert message.body == (
        "liquidation-distance went from warning to critical: liquidation_distance < 10%\n"
        "mark price 59,300, liquidation price 54,000, liquidation distance 8.9 %, "
        "unrealized pnl -70.00, roi unknown\n"
        "#4821 · 2026-01-02 03:00:25 UTC · since 2026-01-02 03:00:20 UTC"
    )


@pytest.mark.parametrize(
    ("kind", "severity", "previous", "reason", "title", "line"),
    [
        pytest.param(
            "eased",
            INFO,
            CRITICAL,
            "recovered",
            "eased to info",
            "liquidation-distance went from critical to info: liquidation_distance < 10%",
            id="eased",
        ),
        pytest.param(
            "reminder",
            WARNING,
            WARNING,
            None,
            "still WARNING",
            "liquidation-distance is warning: liquidation_distance < 10%",
            id="reminder",
        ),
        pytest.param(
            "resolved",
            CRITICAL,
            INFO,
            "recovered",
            "RESOLVED",
            "liquidation-distance: recovered; was info, at worst critical",
            id="resolved",
        ),
        pytest.param(
            "resolved",
            CRITICAL,
            CRITICAL,
            "position_closed",
            "RESOLVED",
            "liquidation-distance: the position is closed; was critical, at worst critical",
            id="closed",
        ),
        pytest.param(
            "resolved",
            INFO,
            INFO,
            "some_day",
            "RESOLVED",
            "liquidation-distance: some_day; was info, at worst info",
            id="a reason of a later version",
        ),
    ],
)
def test_the_other_kinds(
    kind: str, severity: Severity, previous: Severity, reason: str | None, title: str, line: str
) -> None:
    notice = replace(FIRED, kind=kind, severity=severity, previous=previous, reason=reason)
    message = compose(notice, None, now_utc=notice.at, zone=UTC)
    assert message.title == f"{title}: BTCUSDT long (main): liquidation-distance"
    assert message.body.splitlines()[0] == line


HAPPENED = Notice(
    number=9,
    at=EPOCH,
    kind="happened",
    severity=CRITICAL,
    rule="forced",
    target=TARGET._replace(position_side="LONG"),
    happening="liquidation",
    count=1,
    details={"quantity": "0.1", "order_id": "7"},
)


def test_a_happening() -> None:
    message = compose(HAPPENED, None, now_utc=EPOCH, zone=UTC)
    assert message.title == "CRITICAL: BTCUSDT long leg (main): liquidation"
    assert message.body == (
        "the exchange is liquidating this position\n"
        "quantity 0.1, order id 7\n"
        "#9 · 2026-01-02 03:00:00 UTC"
    )


def test_repeats_of_a_happening() -> None:
    notice = replace(HAPPENED, count=3, happening="key_rejected", target=Target("main"), details={})
    message = compose(notice, None, now_utc=EPOCH, zone=UTC)
    assert message.title == "CRITICAL: main: key rejected"
    assert message.body == (
        "the exchange rejects the API key; this account is not watched (3 times)\n"
        "#9 · 2026-01-02 03:00:00 UTC"
    )


def test_a_pool() -> None:
    notice = replace(FIRED, target=Target("main", asset="USDT"), values={})
    assert compose(notice, None, now_utc=notice.at, zone=UTC).title == (
        "WARNING: USDT (main): liquidation-distance"
    )


def test_late_delivery_and_another_attempt_are_said() -> None:
    assert body(FIRED, now_utc=FIRED.at + 59_999).endswith("CET")
    assert body(FIRED, now_utc=FIRED.at + 480_000).endswith("CET · delivered 8 min late")
    assert body(FIRED, now_utc=FIRED.at + 480_000, attempt=2).endswith(
        "CET · delivered 8 min late · (attempt 2)"
    )


def test_aged_numbers_that_decided_are_said() -> None:
    aged = VALUES | {"liquidation_distance": Reading(AGED, D("0.089"), 48_000)}
    text = body(replace(FIRED, values=aged, data_age=48_000))
    assert "liquidation distance 8.9 % (48 s ago)" in text
    assert "position as of 48 s ago: the data is not fresh" in text


def test_aged_numbers_that_did_not_decide_are_not_made_much_of() -> None:
    text = body(replace(FIRED, values=VALUES | {"roi": Reading(AGED, D(1), 48_000)}))
    assert "roi 100.0 % (48 s ago)" in text
    assert "position as of" not in text


# ---------------------------------------------------------------- single values


@pytest.mark.parametrize(
    ("name", "reading", "text"),
    [
        ("roi", Reading(FRESH, D("-0.5025")), "-50.2 %"),
        ("effective_leverage", Reading(FRESH, D("5.16666")), "5.2x"),
        ("effective_leverage", Reading(FRESH, D("Infinity")), "none"),
        ("equity", Reading(FRESH, D("1234567.891")), "1,234,567.89"),
        ("mark_price", Reading(FRESH, D("0.00001234")), "0.00001234"),
        ("mark_price", Reading(FRESH, D("59300.12345678")), "59,300.12"),
        ("mark_price", Reading(FRESH, D(100)), "100"),
        ("mark_price", Reading(FRESH, D(0)), "0"),
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


def test_instants() -> None:
    assert instant(EPOCH + 678) == "2026-01-02T03:00:00.678Z"
    assert clock(EPOCH, UTC) == "2026-01-02 03:00:00 UTC"


# ---------------------------------------------------------------- templates


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{liquidation_distance:.2%}", "8.94%"),
        ("{mark_price:,.1f}", "59,300.0"),
        ("{mark_age:.1f} s", "0.4 s"),
        ("{isolated_margin:.2f}", "none"),
        ("{roi:.1%}", "unknown"),
        ("{side:.1%}", "long"),
        ("{mark_price:nonsense}", "59,300"),
        ("{account} {severity} {rule} {condition}", f"main warning {RULE.name} {FIRED.condition}"),
        ("{nobody}", "unknown"),
        ("{mark_price.__class__}", "unknown"),
        ("{mark_price!r}", "unknown"),
        ("{} {0}", "{} {0}"),
        ("{}", "unknown"),
        ("{{literal}}", "{literal}"),
        ("{", "{"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render_template(template, FIRED) == text


def test_an_infinite_number_is_none_whatever_the_format_asks() -> None:
    values = {"liquidation_distance": Reading(FRESH, D("Infinity"), 5)}
    text = render_template("{liquidation_distance:.1%}", replace(FIRED, values=values))
    assert text == "none"


readings = st.builds(
    Reading,
    st.sampled_from(Grade),
    st.none() | st.decimals(allow_nan=False) | st.text(max_size=3) | st.integers(0, 10**9),
    st.none() | st.integers(0, 10**9),
)


@given(
    st.sampled_from(list(METRICS)),
    readings,
    st.text("{}!:.%,+-<>=^ f_0123456789gexdnrs", max_size=12),
)
def test_formatting_never_fails(name: str, reading: Reading, spec: str) -> None:
    value = reading.value
    if METRICS[name].unit.value == "text":
        value = None if value is None else str(value)
    elif METRICS[name].unit.value == "duration":
        value = value if isinstance(value, int) else None
    else:
        value = value if isinstance(value, D) else None
    notice = replace(FIRED, values={name: replace(reading, value=value)})
    chosen = replace(RULE, message=f"{{{name}:{spec[:6]}}}")
    message = compose(notice, chosen, now_utc=EPOCH, zone=UTC)
    assert json.loads(json.dumps(as_json(notice, message, 1)))["body"] == message.body


def test_texts_that_decided_are_not_listed_among_the_numbers() -> None:
    chosen = rule("near", level(INFO, 'side == "long" and liquidation_distance < 10%'))
    lines = compose(FIRED, chosen, now_utc=FIRED.at, zone=UTC).body.splitlines()
    assert lines[1].startswith("liquidation distance 8.9 %, mark price 59,300")
