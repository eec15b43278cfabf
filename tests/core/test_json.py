"""The JSON line of a notice."""

import json
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal

import pytest

from monitor.core.message import as_json, compose
from monitor.core.notices import Grade, Notice, Reading, Target
from monitor.core.rules import Severity
from tests.core.worlds import EPOCH, World, level, marks, poll, position, rule

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


KEYS = [
    "id",
    "at",
    "kind",
    "severity",
    "previous",
    "reason",
    "happening",
    "count",
    "rule",
    "account",
    "symbol",
    "position_side",
    "side",
    "asset",
    "since",
    "data_age",
    "attempt",
    "title",
    "body",
    "values",
]


def test_json_of_an_alert() -> None:
    message = compose(FIRED, RULE, now_utc=FIRED.at, zone=UTC)
    line = as_json(FIRED, message, 2)
    assert list(line) == KEYS
    assert line == {
        "id": 4821,
        "at": "2026-01-02T03:00:20.000Z",
        "kind": "fired",
        "severity": "warning",
        "previous": None,
        "reason": None,
        "happening": None,
        "count": None,
        "rule": "liquidation-distance",
        "account": "main",
        "symbol": "BTCUSDT",
        "position_side": "BOTH",
        "side": "long",
        "asset": None,
        "since": "2026-01-02T03:00:20.000Z",
        "data_age": 1.5,
        "attempt": 2,
        "title": message.title,
        "body": message.body,
        "values": {
            "symbol": "BTCUSDT",
            "side": "long",
            "quantity": "0.100",
            "mark_price": "59300.00",
            "liquidation_price": "54000",
            "liquidation_distance": "0.08937605396290050590219224283",
            "isolated_margin": "none",
            "roi": None,
            "unrealized_pnl": "-70.0",
            "mark_age": "0.4",
        },
    }


def test_json_of_a_happening() -> None:
    message = compose(HAPPENED, None, now_utc=EPOCH, zone=UTC)
    line = as_json(HAPPENED, message, 1)
    assert list(line) == KEYS
    meant = {name: value for name, value in line.items() if value is not None}
    assert meant == {
        "id": 9,
        "at": "2026-01-02T03:00:00.000Z",
        "kind": "happened",
        "severity": "critical",
        "happening": "liquidation",
        "count": 1,
        "rule": "forced",
        "account": "main",
        "symbol": "BTCUSDT",
        "position_side": "LONG",
        "side": "long",
        "attempt": 1,
        "title": message.title,
        "body": message.body,
        "values": {},
    }


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        pytest.param(
            Reading(AGED, D("0.049"), 48_000), {"value": "0.049", "aged_s": 48}, id="aged"
        ),
        pytest.param(Reading(AGED, D(1), 1_500), {"value": "1", "aged_s": 1.5}, id="half seconds"),
        pytest.param(Reading(LOST, D("0.049"), 48_000), None, id="unknown"),
        pytest.param(Reading(ABSENT), "none", id="absent"),
        pytest.param(Reading(FRESH, D("Infinity"), 1), "infinite", id="infinite"),
        pytest.param(Reading(FRESH, D("1E+3"), 1), "1000", id="no exponent"),
    ],
)
def test_json_values(reading: Reading, text: object) -> None:
    notice = replace(FIRED, values={"roi": reading})
    line = as_json(notice, compose(notice, None, now_utc=0, zone=UTC), 1)
    assert line["values"] == {"roi": text}
    assert json.dumps(line["values"]) == json.dumps({"roi": text})


def test_of_a_notice_from_the_engine() -> None:
    """The whole way: no liquidation price reads as none, in text and JSON."""
    spoken = rule("small", level(INFO, "notional < 1000"), message="liq {liquidation_price:.2f}")
    world = World(spoken)
    world.tell(1, poll(1, position(quantity="0.01", liq="0"), wallet="10000"))
    (notice,) = world.notices
    message = compose(notice, spoken, now_utc=notice.at, zone=UTC)
    assert message.body.splitlines()[0] == "liq none"
    assert as_json(notice, message, 1)["values"]["liquidation_price"] == "none"
    assert as_json(notice, message, 1)["values"]["liquidation_distance"] == "infinite"


def test_of_a_notice_on_aged_numbers() -> None:
    near = rule("near", level(CRITICAL, "liquidation_distance < 5%"))
    world = World(near)
    world.tell(1, poll(1, position()))
    world.tell(49, marks(49, BTCUSDT="54100"))
    (notice,) = world.notices
    assert notice.data_age == 48_000
    message = compose(notice, near, now_utc=notice.at, zone=UTC)
    assert "position as of 48 s ago: the data is not fresh" in message.body
    distance = as_json(notice, message, 1)["values"]["liquidation_distance"]
    assert distance["aged_s"] == 48
