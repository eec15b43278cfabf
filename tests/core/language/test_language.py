"""What conditions mean, by table."""

from decimal import Decimal, localcontext

import pytest

from monitor.core.language.compile import Threshold, compile_condition
from monitor.core.language.history import duration
from monitor.core.language.literals import read_number
from monitor.core.language.truth import ABSENT, UNKNOWN, Interval, Truth, Value
from monitor.core.language.units import History, Scope, Unit, Vocabulary, Word
from monitor.core.metrics import VOCABULARY as METRIC_VOCABULARY

INFINITE = Decimal("Infinity")
T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def D(text: str | int) -> Decimal:  # noqa: N802 - tables read best with a short name
    return Decimal(text)


def between(lo: str, hi: str) -> Interval:
    return Interval(Decimal(lo), Decimal(hi))


GOOD = [
    "liquidation_distance < 5%",
    "-500 > equity",
    "0% < roi < 5%",
    "0% < roi <= liquidation_distance != 3%",
    "effective_leverage > 20x or leverage >= 125x",
    'symbol ~ "BTC*" and not symbol ~ "*USDC"',
    "side == 'long' and side in ['long', 'short']",
    'venue not in ["binance-options"]',
    "roi in [5%, -10%, (7%)]",
    "data_age > 1h30m",
    "15s < data_age < 2d",
    "data_age in [0s, 500ms]",
    "notional / equity > 20x",
    "notional / equity > 2000%",
    "notional / equity > effective_leverage",
    "mark_price / entry_price - 100% > 5%",
    "(mark_price - entry_price) / entry_price < -5%",
    "abs(mark_price - entry_price) > 100",
    "quantity * mark_price > equity * 50%",
    "notional / quantity > mark_price",
    "notional / mark_price > abs(quantity)",
    "entry_price * (notional / equity) > mark_price",
    "max(notional, 1000) > equity + 5",
    "min(roi, margin_ratio, 5%) < 1%",
    "leverage * 50% > effective_leverage - 1x",
    "adl >= 3 and position_count * 2 > adl",
    "2 * roi / 2 < 5% * 3",
    "roi / margin_ratio > 200%",
    "asset == symbol",
    "1000 - notional < equity",
    "5% - roi < 3%",
    '"long" == side',
    "not (roi < 5% or (not adl == 3 and data_age > 5m))",
    "1 < 2 or roi < 5%",
    "roi<5%and(notional>1000)",
    "mark_price > adl",
    "0.5s < data_age",
    "mark_price<mark_price",
    "-abs(-quantity) < -(5)",
    "drop(equity, 1d) > 10%",
    "change(mark_price,5m) < -500 and highest( roi , 1h30m )>5%",
    "mark_price / average(mark_price, 5m) - 100% > 2%",
    "lowest(leverage, 7d) < 2x or change(position_count, 1s) != 0",
    "abs(change(quantity, 1m)) * mark_price > equity * 50%",
]


@pytest.mark.parametrize("text", GOOD)
def test_it_compiles(vocabulary: Vocabulary, text: str) -> None:
    for band in ("0", "0.1"):
        assert compile_condition(text, vocabulary, hysteresis=D(band)).text == text


@pytest.mark.parametrize(
    ("text", "reads", "scope"),
    [
        ("5% > roi and margin_ratio < roi", ("roi", "margin_ratio"), Scope.POSITION),
        ("data_age > 5s and equity < 5", ("data_age", "equity"), Scope.POOL),
        ("data_age > 5s", ("data_age",), Scope.ACCOUNT),
        ('account == "main"', ("account",), Scope.ANY),
        ("drop( equity,60m ) > 5%", ("drop(equity, 1h)",), Scope.POOL),
        (
            "change(roi, 90s) > change(roi, 1m30s) + roi",
            ("change(roi, 1m30s)", "roi"),
            Scope.POSITION,
        ),
    ],
)
def test_what_it_reads(
    vocabulary: Vocabulary, text: str, reads: tuple[str, ...], scope: Scope
) -> None:
    condition = compile_condition(text, vocabulary)

    assert (condition.reads, condition.scope) == (reads, scope)


JUDGED: list[tuple[str, list[Value], Truth]] = [
    ("roi < 5%", [D("0.05")], F),
    ("roi <= 5%", [D("0.05")], T),
    ("roi < 5%", [UNKNOWN], U),
    ("roi < 5%", [ABSENT], F),
    ("not roi < 5%", [ABSENT], F),
    ("not roi < 5%", [UNKNOWN], U),
    ("roi != 5%", [ABSENT], F),
    ("roi not in [5%]", [ABSENT], F),
    ("not symbol ~ 'A'", [ABSENT], F),
    ("roi < margin_ratio", [ABSENT, UNKNOWN], F),
    ("roi < margin_ratio", [UNKNOWN, ABSENT], F),
    ("roi + margin_ratio < 5%", [UNKNOWN, ABSENT], F),
    ("max(roi, margin_ratio, roi) < 5%", [UNKNOWN, ABSENT], F),
    ("roi < 5% and adl > 3", [D("0.9"), UNKNOWN], F),
    ("roi < 5% or adl > 3", [D("0.01"), UNKNOWN], T),
    ("roi < 5% and adl > 3", [D("0.01"), UNKNOWN], U),
    ("roi < 5% or adl > 3", [D("0.9"), UNKNOWN], U),
    ("notional / equity > 2x", [D(3), D(1)], T),
    ("notional / equity > 2x", [D(3), D(0)], U),
    ("notional / equity > 2x", [D(3), D(-1)], U),
    ("notional / max(-5, equity) > 2x", [D(3), D(-1)], U),
    ("roi / margin_ratio > 200%", [D(-3), D(-1)], T),
    ("roi / margin_ratio > 200%", [D(3), D(0)], U),
    ("roi / margin_ratio > 200%", [INFINITE, D(0)], U),
    ("roi / margin_ratio > 200%", [INFINITE, INFINITE], U),
    ("roi - margin_ratio > 5%", [INFINITE, INFINITE], U),
    ("roi * adl > 5%", [INFINITE, D(0)], U),
    ("roi * adl > 5%", [D("9E999999"), D(10)], U),
    ("roi > 5%", [INFINITE], T),
    ("roi < margin_ratio", [-INFINITE, INFINITE], T),
    ("1 < 2 or roi < 5%", [UNKNOWN], T),
    ("roi < 5%", [Decimal("NaN")], U),
]


@pytest.mark.parametrize(("text", "values", "truth"), JUDGED)
def test_judged(vocabulary: Vocabulary, text: str, values: list[Value], truth: Truth) -> None:
    assert compile_condition(text, vocabulary).possible(*values) is truth


# An interval per word, each word once: exactly the truths that occur.
SHARP: list[tuple[str, list[Value], Truth]] = [
    ("roi < 5%", [between("0.05", "0.06")], F),
    ("roi <= 5%", [between("0.05", "0.06")], T | F),
    ("roi < 5%", [between("0.01", "0.04")], T),
    ("roi > 5%", [between("0.05", "0.06")], T | F),
    ("roi >= 5%", [between("0.05", "0.06")], T),
    ("roi == 5%", [between("0.05", "0.06")], T | F),
    ("roi == 5%", [between("0.06", "0.07")], F),
    ("roi != 5%", [between("0.06", "0.07")], T),
    ("roi == 5%", [between("0.05", "0.05")], T),
    ("roi in [5%, 10%]", [between("0.06", "0.09")], F),
    ("roi in [5%, 10%]", [between("0.06", "0.1")], T | F),
    ("roi not in [5%, 10%]", [between("0.1", "0.1")], F),
    ("roi < margin_ratio", [between("1", "2"), between("3", "4")], T),
    ("roi < margin_ratio", [between("1", "3"), between("3", "4")], T | F),
    ("roi < margin_ratio", [between("1", "3"), UNKNOWN], U),
    ("roi < margin_ratio", [between("1", "3"), ABSENT], F),
    ("roi < 5%", [between("-Infinity", "Infinity")], T | F),
    ("abs(roi) < 5%", [between("-0.04", "0.01")], T),
    ("abs(roi) < 5%", [between("-0.06", "0.01")], T | F),
    ("abs(roi) < 0%", [between("-1", "1")], F),
    ("-roi < 5%", [between("-0.05", "1")], T | F),
    ("-roi < 5%", [between("-0.04", "1")], T),
    ("roi + margin_ratio > 300%", [between("1", "2"), between("2", "3")], T | F),
    ("roi + margin_ratio > 300%", [between("1", "2"), between("-1", "1")], F),
    ("roi - margin_ratio > 0%", [between("3", "4"), between("1", "2")], T),
    ("roi - margin_ratio > 0%", [between("3", "Infinity"), between("1", "2")], T),
    ("roi - margin_ratio > 0%", [between("3", "Infinity"), between("1", "Infinity")], T | F | U),
    ("roi - margin_ratio > 0%", [INFINITE, between("1", "Infinity")], T | U),
    ("roi - margin_ratio > 0%", [INFINITE, between("Infinity", "Infinity")], U),
    ("roi * adl > 0%", [between("1", "2"), between("-2", "-1")], F),
    ("roi * adl >= 0%", [between("0", "2"), between("1", "Infinity")], T | U),
    ("roi * adl == 0%", [between("0", "0"), between("-Infinity", "Infinity")], T | U),
    ("roi * adl == 0%", [between("0", "0"), INFINITE], U),
    ("roi * adl > 0%", [between("0", "1"), INFINITE], T | U),
    ("roi * adl > 0%", [between("1E999999", "9E999999"), between("10", "11")], T | U),
    ("roi + margin_ratio > 0%", [between("9E999999", "9E999999"), between("0", "9E999999")], T | U),
    ("roi / adl > 100%", [between("4", "6"), between("1", "2")], T),
    ("roi / adl > 0%", [between("4", "6"), between("0", "2")], T | U),
    ("roi / adl < 0%", [between("4", "6"), between("-2", "-0")], T | U),
    ("roi / adl > 0%", [between("4", "6"), between("-2", "2")], T | F | U),
    ("roi / adl == 0%", [between("-Infinity", "Infinity"), INFINITE], T | U),
    ("roi / adl > 0%", [INFINITE, between("1", "Infinity")], T | U),
    ("roi / adl > 0%", [between("1", "2"), between("0", "0")], U),
    ("roi / adl == 0%", [between("0", "0"), between("0", "1")], T | U),
    ("notional / equity > 0%", [between("1", "2"), between("-5", "-1")], U),
    ("notional / equity > 0%", [between("1", "2"), between("-5", "1")], T | U),
    ("notional / equity > 0%", [between("1", "2"), between("1", "5")], T),
    ("min(roi, margin_ratio) < 5%", [between("0.1", "0.2"), between("0.3", "0.4")], F),
    ("max(roi, 5%) < 30%", [between("0.1", "0.2")], T),
    ("max(roi, margin_ratio) < 30%", [between("0.1", "0.2"), UNKNOWN], U),
    ("roi < 5% and adl > 3", [between("0.1", "0.2"), UNKNOWN], F),
    ("roi < 5% and adl > 3", [between("0", "0.2"), UNKNOWN], F | U),
    ("roi < 5% or adl > 3", [between("0", "0.2"), UNKNOWN], T | U),
]


@pytest.mark.parametrize(("text", "values", "truths"), SHARP)
def test_intervals_are_sharp(
    vocabulary: Vocabulary, text: str, values: list[Value], truths: Truth
) -> None:
    assert compile_condition(text, vocabulary).possible(*values) == truths


# With a dead band of 10 %: the last value at which it still holds, and one at which it does not.
RELAXED: list[tuple[str, list[Value], list[Value]]] = [
    ("roi < 5%", [D("0.0549")], [D("0.055")]),
    ("roi <= 5%", [D("0.055")], [D("0.0551")]),
    ("5% > roi", [D("0.0549")], [D("0.055")]),
    ("roi > 5%", [D("0.0451")], [D("0.045")]),
    ("5% <= roi", [D("0.045")], [D("0.0449")]),
    ("roi < -50%", [D("-0.451")], [D("-0.45")]),
    ("roi > -50%", [D("-0.549")], [D("-0.55")]),
    ("roi < 0%", [D("-0.001")], [D("0")]),
    ("roi == 5%", [D("0.05")], [D("0.0501")]),
    ("roi != 5%", [D("0.0501")], [D("0.05")]),
    ("roi in [5%]", [D("0.05")], [D("0.0501")]),
    ("not roi >= 5%", [D("0.0549")], [D("0.055")]),
    ("1% < roi < 5%", [D("0.0549")], [D("0.055")]),
    ("1% < roi < 5%", [D("0.0091")], [D("0.009")]),
    ("mark_price < entry_price", [D(109), D(100)], [D(110), D(100)]),
    ("entry_price > mark_price", [D(91), D(100)], [D(90), D(100)]),
    ("mark_price < -entry_price", [D(-91), D(100)], [D(-90), D(100)]),
    ("mark_price > -entry_price", [D(-109), D(100)], [D(-110), D(100)]),
    ("mark_price < entry_price * 2", [D(219), D(100)], [D(220), D(100)]),
    ("mark_price > entry_price * 2", [D(181), D(100)], [D(180), D(100)]),
    ("mark_price < entry_price", [D(1), INFINITE], [INFINITE, INFINITE]),
    ("mark_price > entry_price", [INFINITE, D(1)], [D(1), INFINITE]),
    ("mark_price >= entry_price", [INFINITE, INFINITE], [D(1), INFINITE]),
    ("data_age > 30s", [27_001], [27_000]),
    ("data_age < 30s", [32_999], [33_000]),
    ("data_age > 15ms", [14], [13]),
    ("data_age < 15ms", [16], [17]),
    ("stale_for > 0s", [1], [0]),
    ('symbol == "A"', ["A"], ["B"]),
]


@pytest.mark.parametrize(("text", "inside", "outside"), RELAXED)
def test_relaxed(
    vocabulary: Vocabulary, text: str, inside: list[Value], outside: list[Value]
) -> None:
    condition = compile_condition(text, vocabulary, hysteresis=D("0.1"))

    assert condition.exact(*inside) is True
    assert condition.possible(*inside) is T
    assert condition.exact(*outside) is False
    assert condition.possible(*outside) is F


@pytest.mark.parametrize("band", ["1", "1.5"])
@pytest.mark.parametrize(
    ("text", "values", "truth"),
    [
        ("mark_price < entry_price", [D(5), -INFINITE], F),
        ("mark_price > entry_price", [D(5), INFINITE], F),
        ("mark_price < entry_price", [D(5), D(3)], T),
        ("mark_price > entry_price", [D(1), D(1)], T),
        ("mark_price > entry_price", [between("1", "2"), between("3", "4")], T),
        ("mark_price > entry_price", [between("1", "2"), between("-1", "9E999999")], T | F | U),
    ],
)
def test_a_band_of_the_whole_threshold_and_more(
    vocabulary: Vocabulary, band: str, text: str, values: list[Value], truth: Truth
) -> None:
    condition = compile_condition(text, vocabulary, hysteresis=D(band))

    assert condition.possible(*values) in truth
    if all(isinstance(value, Decimal) for value in values):
        assert condition.possible(*values) is truth
        assert condition.exact(*values) is (truth is T)


@pytest.mark.parametrize("band", ["-0.1", "NaN", "Infinity"])
def test_a_band_is_a_number_from_zero(vocabulary: Vocabulary, band: str) -> None:
    with pytest.raises(ValueError, match="a dead band is a number from 0"):
        compile_condition("roi < 5%", vocabulary, hysteresis=D(band))


def test_a_moved_threshold_that_overflows_is_unknown(vocabulary: Vocabulary) -> None:
    condition = compile_condition("roi < margin_ratio", vocabulary, hysteresis=D("0.5"))

    assert condition.possible(D(1), D("9E999999")) is U
    assert condition.possible(D(1), between("1", "9E999999")) == T | F | U


def test_a_band_of_more_than_the_threshold_turns_at_zero(vocabulary: Vocabulary) -> None:
    condition = compile_condition("mark_price < entry_price", vocabulary, hysteresis=D(2))

    assert condition.possible(D("0.5"), between("-1", "1")) == T | F


def test_a_band_too_narrow_for_28_digits_is_not_rounded_inwards(vocabulary: Vocabulary) -> None:
    below, t = D("1." + "0" * 31 + "8"), D("1." + "0" * 31 + "9")
    condition = compile_condition("mark_price < entry_price", vocabulary, hysteresis=D("1E-30"))

    assert condition.possible(below, t) is T


def test_thresholds_are_told_as_written_with_the_metric_on_the_left(
    vocabulary: Vocabulary,
) -> None:
    text = (
        "0% < roi < 5% * 2 and not data_age < 15s and mark_price > entry_price and side == 'long'"
    )
    expected = (
        Threshold(1, ">", D("0.00")),
        Threshold(12, "<", D("0.10")),
        Threshold(38, ">=", D("15000")),
        Threshold(59, ">", None),
    )

    for band in ("0", "0.1"):
        condition = compile_condition(text, vocabulary, hysteresis=D(band))
        assert condition.thresholds == expected


def test_ages_are_the_thresholds_that_are_compared_with(vocabulary: Vocabulary) -> None:
    text = "30s < data_age < 1m or data_age in [5s, 30s] or not stale_for > 1h30m or roi < 5%"

    plain = compile_condition(text, vocabulary)
    relaxed = compile_condition(text, vocabulary, hysteresis=D("0.1"))

    assert plain.ages == (("data_age", (5_000, 30_000, 60_000)), ("stale_for", (5_400_000,)))
    assert relaxed.ages == (
        ("data_age", (5_000, 27_000, 30_000, 66_000)),
        ("stale_for", (5_940_000,)),
    )


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("500ms", 500),
        ("15s", 15_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("2d", 172_800_000),
        ("1h30m", 5_400_000),
        ("30m1h", 5_400_000),
        ("1.5h", 5_400_000),
        ("0.001s", 1),
    ],
)
def test_durations(vocabulary: Vocabulary, written: str, ms: int) -> None:
    condition = compile_condition(f"data_age >= {written}", vocabulary)

    assert condition.ages == (("data_age", (ms,)),)
    assert condition.exact(ms)
    assert not condition.exact(ms - 1)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5%", "0.05"),
        ("0.5%", "0.005"),
        ("-5%", "-0.05"),
        ("1.00000000000000000000000000000000001%", "0.0100000000000000000000000000000000001"),
        ("-" + "9" * 40 + "%", "-" + "9" * 38 + ".99"),
    ],
)
def test_literals_are_exact(vocabulary: Vocabulary, written: str, value: str) -> None:
    assert compile_condition(f"roi == {written}", vocabulary).exact(D(value))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("roi + margin_ratio * 2 < 5%", "(roi + (margin_ratio * 2)) < 5%"),
        ("-roi * 2 < 5% - 1% - 1%", "((-roi) * 2) < ((5% - 1%) - 1%)"),
        ("roi < 1% or adl > 1 and adl < 3", "(roi < 1%) or ((adl > 1) and (adl < 3))"),
        ("not roi < 1% and adl > 1", "(not (roi < 1%)) and (adl > 1)"),
    ],
)
def test_what_binds_tighter(vocabulary: Vocabulary, text: str, same: str) -> None:
    one, other = compile_condition(text, vocabulary), compile_condition(same, vocabulary)

    for function in ("exact", "possible"):
        a, b = getattr(one, function).__code__, getattr(other, function).__code__
        assert a.co_code == b.co_code


def test_texts_take_backslashes_and_the_other_quote(vocabulary: Vocabulary) -> None:
    condition = compile_condition("symbol in ['a\\b', \"it's\", '\"']", vocabulary)

    assert all(condition.exact(text) for text in ("a\\b", "it's", '"'))
    assert not condition.exact("b")


def test_exact_is_the_code_one_would_write(vocabulary: Vocabulary) -> None:
    """Nothing but the two comparisons: no helper, no attribute, no builtin."""
    condition = compile_condition("liquidation_distance < 5% and roi / 2 > 1%", vocabulary)

    assert not {"divide", "abs"} & set(condition.exact.__code__.co_names)
    assert condition.exact(D("0.04"), D("0.03"))


def test_a_known_text_is_checked_only_where_the_list_is_closed(vocabulary: Vocabulary) -> None:
    assert compile_condition('symbol == "anything"', vocabulary).exact("anything")


def test_an_interval_has_its_lower_end_first() -> None:
    with pytest.raises(ValueError, match="no number lies between 2 and 1"):
        between("2", "1")


def test_intervals_round_as_points_do(vocabulary: Vocabulary) -> None:
    """The context of the ends is the default one; else a rounded point could leave its interval."""
    with localcontext() as context:
        condition = compile_condition("roi * adl > 5%", vocabulary)
        assert context.prec == 28
        assert condition.possible(between("1", "1"), between("1", "2")) is T


# ---------------------------------------------------------------- functions of the past


def test_a_function_of_the_past_is_a_word_of_its_own(vocabulary: Vocabulary) -> None:
    text = "drop(equity, 1d) > 10% and change(mark_price, 5m) < -500"
    condition = compile_condition(text, vocabulary, hysteresis=D("0.5"))
    assert condition.words == (
        Word(
            "drop(equity, 1d)",
            Unit.RATIO,
            Scope.POOL,
            reach=(D(0), INFINITE),
            history=History("drop", "equity", 86_400_000),
        ),
        Word(
            "change(mark_price, 5m)",
            Unit.PRICE,
            Scope.POSITION,
            history=History("change", "mark_price", 300_000),
        ),
    )
    assert condition.exact(D("0.051"), D("-251"))
    assert not condition.exact(D("0.05"), D("-251"))
    assert condition.possible(UNKNOWN, D("-251")) is U
    assert condition.possible(UNKNOWN, D("-250")) is F
    assert condition.thresholds == (
        Threshold(20, ">", D("0.1")),
        Threshold(53, "<", D("-500")),
    )


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("highest(leverage, 1h) > 1x", (D(1), INFINITE)),
        ("lowest(leverage, 1h) > 1x", (D(1), INFINITE)),
        ("average(leverage, 1h) > 1x", (D(1), INFINITE)),
        ("change(leverage, 1h) > 1x", (-INFINITE, INFINITE)),
        ("change(adl, 1h) > 1", (D(-4), D(4))),
        ("drop(mark_price, 1h) > 1%", (D(0), D(1))),
        ("drop(equity, 1h) > 1%", (D(0), INFINITE)),
    ],
)
def test_how_far_a_function_of_the_past_reaches(text: str, reach: tuple[Decimal, Decimal]) -> None:
    (word,) = compile_condition(text, METRIC_VOCABULARY).words
    assert word.reach == reach


def test_no_position_of_a_kind_has_a_past_either() -> None:
    (word,) = compile_condition("change(isolated_margin, 1h) > 1", METRIC_VOCABULARY).words
    assert word.absent_where == ("margin_type", "cross")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (1, "1ms"),
        (1_000, "1s"),
        (5_400_000, "1h30m"),
        (86_400_000, "1d"),
        (90_061_001, "1d1h1m1s1ms"),
    ],
)
def test_a_window_is_written_in_one_way(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text
    assert read_number(text) == (milliseconds, Unit.DURATION)
