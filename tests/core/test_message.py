"""Notices as a human reads them, and as JSON."""

import json
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.message import as_json, compose, instant
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
    "asset": Reading(FRESH, "USDT"),
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


def lines(notice: Notice) -> list[str]:
    return compose(notice, None, now_utc=notice.at, zone=UTC).body.splitlines()


def test_a_fired_alert() -> None:
    message = compose(FIRED, RULE, now_utc=FIRED.at + 300, zone=VIENNA)
    assert message.title == "WARNING: BTCUSDT long (main): liquidation-distance"
    assert message.body == (
        "BTCUSDT long: 8.9% from liquidation at 54,000\n"
        "liquidation distance 8.9 %: warning (liquidation_distance < 10%)\n"
        "mark price 59,300, liquidation price 54,000, unrealized PnL -70.00 USDT, ROI unknown\n"
        "what to do: https://example.org/liq\n"
        "#4821 · 2026-01-02 04:00:20 CET (UTC+1) · numbers 1.5 s old"
    )


def test_an_escalated_one() -> None:
    notice = replace(
        FIRED, kind="escalated", severity=CRITICAL, previous=WARNING, at=EPOCH + 25_000
    )
    message = compose(notice, None, now_utc=notice.at, zone=UTC)
    assert message.title == "CRITICAL: BTCUSDT long (main): liquidation-distance"
    assert message.body == (
        "liquidation distance 8.9 %: critical, was warning (liquidation_distance < 10%)\n"
        "mark price 59,300, liquidation price 54,000, unrealized PnL -70.00 USDT, ROI unknown\n"
        "#4821 · 2026-01-02 03:00:25 UTC · since 03:00:20 · numbers 1.5 s old"
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
            "info, was critical (no longer liquidation_distance < 10%)",
            id="eased",
        ),
        pytest.param(
            "eased",
            INFO,
            CRITICAL,
            "rule_changed",
            "eased to info",
            "info, was critical (the rule was changed)",
            id="eased by an edit",
        ),
        pytest.param(
            "reminder",
            WARNING,
            WARNING,
            None,
            "still WARNING",
            "still warning after 15 min (liquidation_distance < 10%)",
            id="reminder",
        ),
        pytest.param(
            "resolved",
            CRITICAL,
            INFO,
            "recovered",
            "RESOLVED",
            "recovered after 15 min; was info, at worst critical",
            id="resolved",
        ),
        pytest.param(
            "resolved",
            CRITICAL,
            CRITICAL,
            "position_closed",
            "RESOLVED",
            "the position is closed after 15 min; was critical",
            id="closed",
        ),
        pytest.param(
            "resolved",
            INFO,
            INFO,
            "some_day",
            "RESOLVED",
            "some_day after 15 min; was info",
            id="a reason of a later version",
        ),
    ],
)
def test_the_other_kinds(
    kind: str, severity: Severity, previous: Severity, reason: str | None, title: str, line: str
) -> None:
    notice = replace(
        FIRED,
        kind=kind,
        severity=severity,
        previous=previous,
        reason=reason,
        since=FIRED.at - 900_000,
    )
    message = compose(notice, None, now_utc=notice.at, zone=UTC)
    assert message.title == f"{title}: BTCUSDT long (main): liquidation-distance"
    assert message.body.splitlines()[0] == f"liquidation distance 8.9 %: {line}"


def test_an_end_without_numbers_names_the_rule_and_leaves_out_a_message_about_numbers() -> None:
    notice = replace(
        FIRED, kind="resolved", previous=WARNING, reason="position_closed", values={}, data_age=None
    )
    assert body(notice).splitlines() == [
        "liquidation-distance: the position is closed; was warning",
        "what to do: https://example.org/liq",
        "#4821 · 2026-01-02 04:00:20 CET (UTC+1)",
    ]
    spoken = replace(RULE, message="about {symbol}, {previous} before")
    text = compose(notice, spoken, now_utc=notice.at, zone=UTC).body
    assert text.startswith("about BTCUSDT, warning before\n")


def test_of_several_numbers_those_that_decided_come_first_and_settings_behind_them() -> None:
    values = VALUES | {"leverage": Reading(FRESH, D(3), 0), "margin_room": Reading(FRESH, D("0.5"))}
    notice = replace(FIRED, values=values, condition="leverage <= 5x and margin_room < 60%")
    assert lines(notice)[:2] == [
        "margin room 50.0 %, leverage 3x: warning (leverage <= 5x and margin_room < 60%)",
        (
            "liquidation distance 8.9 %, mark price 59,300, liquidation price 54,000, "
            "unrealized PnL -70.00 USDT, ROI unknown"
        ),
    ]


def test_a_word_in_a_text_of_the_condition_is_no_number() -> None:
    notice = replace(FIRED, condition='symbol ~ "roi" and liquidation_distance < 10%')
    assert lines(notice)[0].startswith("liquidation distance 8.9 %: warning")


def test_no_liquidation_price_is_said_once() -> None:
    values = VALUES | {
        "liquidation_price": Reading(ABSENT),
        "liquidation_distance": Reading(FRESH, D("Infinity"), 1500),
    }
    notice = replace(FIRED, values=values, condition="roi < -50%")
    assert lines(notice)[1] == (
        "no liquidation price, mark price 59,300, unrealized PnL -70.00 USDT"
    )


def test_an_infinite_ratio_does_not_read_like_an_empty_field() -> None:
    values = {"asset": Reading(FRESH, "USDT"), "margin_ratio": Reading(FRESH, D("Infinity"), 400)}
    notice = replace(
        FIRED,
        target=Target("main", asset="USDT"),
        values=values,
        condition="margin_ratio > 35%",
        severity=CRITICAL,
    )
    assert lines(notice)[0] == (
        "margin ratio above 100 %, no margin balance left: critical (margin_ratio > 35%)"
    )


def test_a_title_is_cut_behind_severity_and_target() -> None:
    notice = replace(FIRED, rule="r" * 300)
    message = compose(notice, None, now_utc=notice.at, zone=UTC)
    assert message.title == f"WARNING: BTCUSDT long (main): {'r' * 219}…"
    assert len(message.title) == 250


def test_prices_have_the_digits_of_the_exchange_where_they_are_known() -> None:
    assert "mark price 59,300.0, liquidation price 54,000.0," in body(FIRED, price_digits=1)


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
    fresh = replace(FIRED, data_age=None)
    assert body(fresh, now_utc=FIRED.at + 59_999).endswith("CET (UTC+1)")
    assert body(fresh, now_utc=FIRED.at + 480_000).endswith("(UTC+1) · delivered 8 min late")
    assert body(fresh, now_utc=FIRED.at + 480_000, attempt=2).endswith(
        "(UTC+1) · delivered 8 min late · (attempt 2)"
    )


def test_aged_numbers_that_decided_are_said() -> None:
    aged = VALUES | {"liquidation_distance": Reading(AGED, D("0.089"), 48_000)}
    text = body(replace(FIRED, values=aged, data_age=48_000))
    assert "liquidation distance 8.9 % (48 s ago): warning" in text
    assert "position as of 48 s ago: the data is not fresh\n" in text
    assert "numbers" not in text


def test_aged_numbers_of_a_pool_are_said() -> None:
    aged = {"asset": Reading(FRESH, "USDT"), "equity": Reading(AGED, D(9), 48_000)}
    notice = replace(
        FIRED,
        target=Target("main", asset="USDT"),
        values=aged,
        data_age=48_000,
        condition="equity < 10",
    )
    assert lines(notice)[:2] == [
        "equity 9.00 USDT (48 s ago): warning (equity < 10)",
        "balances as of 48 s ago: the data is not fresh",
    ]


def test_aged_numbers_that_did_not_decide_are_not_made_much_of() -> None:
    text = body(replace(FIRED, values=VALUES | {"roi": Reading(AGED, D(1), 48_000)}))
    assert "ROI +100.0 % (48 s ago)" in text
    assert "position as of" not in text


def test_instants() -> None:
    assert instant(EPOCH + 678) == "2026-01-02T03:00:00.678Z"


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
