"""A rule's own message, filled in."""

from datetime import UTC
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.language.units import Scope
from monitor.core.metrics import METRICS, VOCABULARY
from monitor.core.notices import Grade, Notice, Reading, Target
from monitor.core.rules import Severity
from monitor.core.template import FACTS, fields, fill
from monitor.rulefile.template import template_faults
from tests.core.worlds import EPOCH

D = Decimal
FRESH, AGED, LOST, ABSENT = Grade.FRESH, Grade.AGED, Grade.UNKNOWN, Grade.ABSENT
NOTICE = Notice(
    number=4821,
    at=EPOCH + 20_000,
    kind="escalated",
    severity=Severity.WARNING,
    rule="near",
    target=Target("main", "BTCUSDT", "BOTH", "long"),
    previous=Severity.INFO,
    since=EPOCH,
    condition="liquidation_distance < 10%",
    values={
        "side": Reading(FRESH, "long"),
        "mark_price": Reading(FRESH, D("59300.00"), 400),
        "liquidation_distance": Reading(FRESH, D("0.089376"), 1500),
        "margin_room": Reading(LOST, D("0.049"), 40_000),
        "position_margin_ratio": Reading(FRESH, D("Infinity"), 1500),
        "isolated_margin": Reading(ABSENT),
        "roi": Reading(LOST),
        "entry_price": Reading(FRESH, D("1.2E-7")),
        "unrealized_pnl": Reading(FRESH, D("-0.001")),
        "mark_age": Reading(FRESH, 400),
        "effective_leverage": Reading(AGED, D(10), 48_000),
    },
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{liquidation_distance:.2%}", "8.94%"),
        ("{liquidation_distance}", "8.9 %"),
        ("{mark_price:,.1f}", "59,300.0"),
        ("{mark_price:>12,.1f}|", "    59,300.0|"),
        ("{mark_price:,}", "59,300.00"),
        ("{entry_price:,}", "0.00000012"),
        ("{entry_price:e}", "1.2e-7"),
        ("{unrealized_pnl:,.2f} {unrealized_pnl:+.0f}", "0.00 +0"),
        ("{mark_age:.1f} s", "0.4 s"),
        ("{effective_leverage}", "10.0x (48 s ago)"),
        ("{effective_leverage:.0f}", "10"),
        ("{isolated_margin:.2f}", "none"),
        ("{position_margin_ratio:.1%}", "none"),
        ("{margin_room:.1%}", "unknown (4.9 % 40 s ago)"),
        ("{roi:.1%}", "unknown"),
        ("{side:>6}", "  long"),
        ("{account} {symbol} {side} {position_side}", "main BTCUSDT long BOTH"),
        ("{rule} {kind} {severity} {previous}", "near escalated warning info"),
        ("{condition} {reason} {happening}", "liquidation_distance < 10% none none"),
        (
            "#{number} {at} {since}",
            "#4821 2026-01-02 03:00:20 UTC 2026-01-02 03:00:00 UTC",
        ),
        ("{{literal}}", "{literal}"),
        # Messages that no check let through: they are filled in as far as that goes.
        ("{side:.1%}", "long"),
        ("{mark_price:nonsense}", "59,300"),
        ("{severity:nonsense}", "warning"),
        ("{nobody}", "unknown"),
        ("{mark_price.__class__}", "unknown"),
        ("{mark_price!r}", "unknown"),
        ("{} {0}", "{} {0}"),
        ("{}", "unknown"),
        ("{", "{"),
    ],
)
def test_a_message_is_filled_in(template: str, text: str) -> None:
    assert fill(template, NOTICE, UTC) == text


def test_fields_of_a_message() -> None:
    assert list(fields("{symbol} at {mark_price:.1f}, {{so}} {}")) == ["symbol", "mark_price"]
    assert list(fields("{")) == []


readings = st.builds(
    Reading,
    st.sampled_from(Grade),
    st.none() | st.decimals(allow_nan=False) | st.text(max_size=3) | st.integers(0, 10**15),
    st.none() | st.integers(0, 10**9),
)
specs = st.text("%,+-<>=^ f_0123456789gexdnrs.", max_size=8)


@given(st.sampled_from([*METRICS, *FACTS]), readings, specs)
def test_filling_in_never_fails_and_what_was_checked_keeps_its_format(
    name: str, reading: Reading, spec: str
) -> None:
    unit = METRICS[name].unit.value if name in METRICS else "text"
    kinds = {"text": str, "duration": int}
    value = reading.value if isinstance(reading.value, kinds.get(unit, Decimal)) else None
    template = f"{{{name}:{spec}}}"
    notice = Notice(
        7,
        EPOCH,
        "fired",
        Severity.INFO,
        "near",
        Target("main"),
        values={name: Reading(reading.grade, value, reading.age)} if name in METRICS else {},
    )
    text = fill(template, notice, UTC)
    faults = list(template_faults(template, VOCABULARY, Scope.POSITION))
    number = isinstance(value, Decimal) and value.is_finite() and reading.grade in {FRESH, AGED}
    if spec and isinstance(value, Decimal) and number and not faults:
        # Checked by itself in test_formats.py: no exponent that was not asked for, no "-0".
        asked = spec if spec[-1] in "eEfFgGn%" else f"{spec}f"
        assert text in {format(value, spec), format(value, asked), format(abs(value), asked)}


@pytest.mark.parametrize("name", [*METRICS, *FACTS])
def test_every_field_may_stand_without_a_format(name: str) -> None:
    assert list(template_faults(f"{{{name}}}", VOCABULARY, Scope.POSITION)) == []
