"""Every wrong condition says what is wrong, where, and what to write instead."""

import pytest

from monitor.core.language.compile import compile_condition
from monitor.core.language.units import Vocabulary
from monitor.errors import ConditionError

WRONG = [
    (
        'symbol ~ "BTC["',
        14,
        "this glob has a [ that no ] closes",
        'write "[[]" for the character itself',
    ),
    (
        'symbol ~ "[BE]T[!]"',
        16,
        "this glob has a [ that no ] closes",
        'write "[[]" for the character itself',
    ),
    (
        'symbol ~ "[9-0]*"',
        11,
        "[9-0] matches no character",
        "write the lower end first, as in [0-9]",
    ),
    (
        'symbol ~ "^BTC.*"',
        15,
        "this is a regular expression; in a glob `.` is a character like others",
        'did you mean "BTC*"?',
    ),
    ('symbol ~ ""', 10, "an empty glob matches nothing", 'write "*" for everything'),
    (
        'symbol ~ "!BTC*"',
        11,
        "behind `~` a `!` is a character like others",
        'did you mean `not symbol ~ "BTC*"`?',
    ),
    ('side ~ "lnog"', 8, 'side is never like "lnog"', 'did you mean "long"?'),
    (
        'symbol == "BTC*"',
        11,
        '"BTC*" is a glob, which only `~` fits to a text',
        'did you mean `symbol ~ "BTC*"`?',
    ),
    (
        "'BTC?SDT' != symbol",
        1,
        "'BTC?SDT' is a glob, which only `~` fits to a text",
        "did you mean `not symbol ~ 'BTC?SDT'`?",
    ),
    (
        'symbol in ["BTCUSDT", "ETH*"]',
        23,
        '"ETH*" is a glob, which only `~` fits to a text',
        'did you mean `symbol ~ "ETH*"`?',
    ),
    ('symbol == " "', 11, "symbol is never empty", "compare it with a text that it can be"),
    (
        "5 or roi < 5%",
        1,
        "5 is a plain number, not a condition",
        "compare a metric with it, as in `margin_room < 20%`",
    ),
    ("roi < (5)", 7, "roi is a ratio, (5) is a plain number", "did you mean 5%?"),
    ("roi < -(0.2)", 7, "roi is a ratio, -(0.2) is a plain number", "did you mean -20%?"),
    ("roi < 1h30m", 7, "roi is a ratio, 1h30m is a duration", "a ratio goes with ratios, as in 5%"),
    ("roi < --5", 7, "roi is a ratio, --5 is a plain number", "a ratio goes with ratios, as in 5%"),
    ("", 1, "the condition is empty", 'write one like "margin_room < 20%"'),
    ("  ", 3, "the condition is empty", 'write one like "margin_room < 20%"'),
    (
        "liquidation_distance < 5",
        24,
        "liquidation_distance is a ratio, 5 is a plain number",
        "did you mean 5%?",
    ),
    (
        "effective_leverage > 20",
        22,
        "effective_leverage is a multiple, 20 is a plain number",
        "did you mean 20x?",
    ),
    (
        "margin_ratio < 0.2",
        16,
        "margin_ratio is a ratio, 0.2 is a plain number",
        "did you mean 20%?",
    ),
    ("data_age > 30", 12, "data_age is a duration, 30 is a plain number", "did you mean 30s?"),
    (
        "margin_ration < 5%",
        1,
        "no metric is called `margin_ration`",
        "did you mean `margin_ratio`?",
    ),
    (
        "liquidation_distance",
        1,
        "liquidation_distance is a ratio, not a condition",
        "did you mean `liquidation_distance < 5%`?",
    ),
    (
        "5",
        1,
        "5 is a plain number, not a condition",
        "compare a metric with it, as in `margin_room < 20%`",
    ),
    (
        "1 < 2",
        1,
        "the condition reads no metric, so it is always the same",
        "compare a metric with a value",
    ),
    (
        "true",
        1,
        "no metric is called `true`",
        "leave it out: a comparison is true or false by itself",
    ),
    (
        "liquidation_distance < 5% AND roi < -50%",
        27,
        "`AND` has to be written in lower case",
        "did you mean `and`?",
    ),
    (
        "liquidation_distance < 5% && roi < -50%",
        27,
        "`&&` has no meaning in a condition",
        "did you mean `and`?",
    ),
    (
        "liquidation_distance < 5% || roi < -50%",
        27,
        "`||` has no meaning in a condition",
        "did you mean `or`?",
    ),
    ("!(roi < -50%)", 1, "`!` has no meaning in a condition", "did you mean `not`?"),
    (
        'symbol !~ "BTC*"',
        8,
        "`!~` has no meaning in a condition",
        "did you mean `not symbol ~ ...`?",
    ),
    ("roi = 5%", 5, "`=` has no meaning in a condition", "did you mean `==`?"),
    ("roi <> 5%", 5, "`<>` has no meaning in a condition", "did you mean `!=`?"),
    ("roi ≤ 5%", 5, "`≤` has no meaning in a condition", "did you mean `<=`?"),
    ("roi < –50%", 7, "`–` has no meaning in a condition", "did you mean `-`?"),
    ("roi < 5 %", 9, "`%` stands apart from its number", "did you mean 5%?"),
    ("roi < 5percent", 7, "`5percent` is not a number", "did you mean 5%?"),
    ("effective_leverage > 10X", 22, "`10X` is not a number", "did you mean 10x?"),
    ("effective_leverage > 10 x", 25, "`x` stands apart from its number", "did you mean 10x?"),
    ("data_age > 30 seconds", 15, "`seconds` stands apart from its number", "did you mean 30s?"),
    ("data_age > 1h 30m", 15, "an operator is missing before `30m`", "did you mean 1h30m?"),
    ("symbol == “BTCUSDT”", 11, "“ is not a quotation mark here", 'did you mean "BTCUSDT"?'),
    ('symbol ~ "BTC*', 10, "this text is not closed", 'did you mean "BTC*"?'),
    ("symbol ~ BTC*", 10, "`~` needs a pattern in quotes", 'did you mean "BTC*"?'),
    ("symbol == BTCUSDT", 11, "no metric is called `BTCUSDT`", 'did you mean "BTCUSDT"?'),
    ("side == long", 9, "no metric is called `long`", 'did you mean "long"?'),
    ('side == "lng"', 9, 'side is never "lng"', 'did you mean "long"?'),
    ('side in ["long", "up"]', 18, 'side is never "up"', 'it can be "long", "short"'),
    ("(roi < 5%", 10, "the `(` in column 1 is not closed", "add `)`"),
    ("roi < 5%)", 9, "`)` closes nothing: there is no `(` before it", "leave it out"),
    ("roi <", 6, "the condition ends after `<`", "a value is missing"),
    ("roi < 5% and", 13, "the condition ends after `and`", "a value is missing"),
    ("< 5%", 1, "a value is missing before `<`", "write a value before it"),
    ("roi < < 5%", 7, "a value is missing before `<`", "write a value before it"),
    ("roi 5%", 5, "an operator is missing before `5%`", "did you mean `roi < 5%`?"),
    (
        "roi < 5% margin_ratio > 10%",
        10,
        "an operator is missing before `margin_ratio`",
        "did you mean `and margin_ratio`?",
    ),
    ('symbol is "BTCUSDT"', 8, "an operator is missing before `is`", "did you mean `==`?"),
    ("roi > 5,5%", 8, "`,` separates nothing here", "did you mean 5.5%?"),
    ("roi > 5,5", 8, "`,` separates nothing here", "did you mean 5.5?"),
    ("notional > 1,000x", 13, "`,` separates nothing here", "did you mean 1000x?"),
    ("side == 5", 9, "side is a text, 5 is a plain number", 'it can be "long", "short"'),
    ("5% == side", 1, "side is a text, 5% is a ratio", 'it can be "long", "short"'),
    ("side in [5]", 10, "side is a text, 5 is a plain number", 'it can be "long", "short"'),
    ("notional > 1,000", 13, "`,` separates nothing here", "did you mean 1000?"),
    ("notional > 1_000", 12, "`1_000` is not a number", "did you mean 1000?"),
    ("notional > 1e3", 12, "`1e3` is not a number", "did you mean 1000?"),
    ("notional > 5k", 12, "`5k` is not a number", "did you mean 5000?"),
    (
        "notional > 5m",
        12,
        "notional is an amount of money, 5m is a duration",
        "did you mean 5000000?",
    ),
    ("notional > .5", 12, "`.5` is not a number", "did you mean 0.5?"),
    ("notional > 5.", 12, "`5.` is not a number", "did you mean 5?"),
    ("notional > 500USDT", 12, "`500USDT` is not a number", "did you mean 500?"),
    (
        "roi < true",
        7,
        "no metric is called `true`",
        "leave it out: a comparison is true or false by itself",
    ),
    (
        "roi == true",
        8,
        "no metric is called `true`",
        "leave it out: a comparison is true or false by itself",
    ),
    ("abss(roi) > 5%", 1, "no function is called `abss`", "did you mean `abs`?"),
    ("abs > 5%", 1, "`abs` is a function", "did you mean `abs(...)`?"),
    (
        "foo(roi) > 5%",
        1,
        "no function is called `foo`",
        "there are abs, min, max, change, highest, lowest, average and drop",
    ),
    ("symbol(roi) > 5%", 1, "`symbol` is a metric, not a function", "did you mean `symbol`?"),
    (
        'symbol.upper == "A"',
        7,
        "`.` has no meaning in a condition",
        "a metric is one word, such as `mark_price`",
    ),
    (
        'symbol.__class__ == "A"',
        7,
        "`.` has no meaning in a condition",
        "a metric is one word, such as `mark_price`",
    ),
    (
        '__import__("os") == 5',
        1,
        "no function is called `__import__`",
        "there are abs, min, max, change, highest, lowest, average and drop",
    ),
    ("lambda: 5", 7, "`:` has no meaning in a condition", "leave it out"),
    ("abs(roi, roi) > 5%", 10, "abs takes one value, not 2", "as in abs(roi)"),
    (
        "min(roi) > 5%",
        1,
        "min takes two values or more, not 1",
        "as in min(mark_price, entry_price)",
    ),
    ("min() > 5%", 1, "min takes two values or more, not 0", "as in min(mark_price, entry_price)"),
    (
        "mark_price > equity",
        14,
        "mark_price is a price, equity is an amount of money",
        "a price goes with prices, and numbers written out",
    ),
    (
        "mark_price + equity > 5",
        14,
        "mark_price is a price, equity is an amount of money",
        "a price goes with prices, and numbers written out",
    ),
    (
        "mark_price * mark_price > 5",
        14,
        "mark_price is a price, mark_price is a price",
        "multiply by a number or a ratio, or a price by a quantity",
    ),
    (
        "mark_price + adl > 5",
        14,
        "mark_price is a price, adl is a plain number",
        "a price goes with prices, and numbers written out",
    ),
    ("mark_price * 2x > 5", 14, "mark_price is a price, 2x is a multiple", "did you mean 2?"),
    (
        "margin_ratio / 50% > 5",
        22,
        "margin_ratio / 50% is a quotient, 5 is a plain number",
        "did you mean 5x?",
    ),
    (
        "notional / equity > 20",
        21,
        "notional / equity is a quotient, 20 is a plain number",
        "did you mean 20x?",
    ),
    (
        "mark_price / entry_price < 0.95",
        28,
        "mark_price / entry_price is a quotient, 0.95 is a plain number",
        "did you mean 95%?",
    ),
    ("mark_price / 0 > 5", 14, "a division by zero is never known", "divide by another number"),
    (
        "data_age + 5s > 10s",
        1,
        "data_age is a duration, which takes no arithmetic",
        "compare it as it is: `data_age > 30s`",
    ),
    (
        "data_age > mark_age",
        12,
        "data_age and mark_age are durations, which compare with a literal only",
        "compare each with a literal such as 30s",
    ),
    ("data_age > 5%", 12, "data_age is a duration, 5% is a ratio", "did you mean 5s?"),
    (
        'symbol > "BTC"',
        8,
        "texts have no order: `>` does not apply",
        "texts compare with ==, !=, in and ~",
    ),
    ("symbol == 5", 11, "symbol is a text, 5 is a plain number", 'did you mean "5"?'),
    ('roi < "5%"', 7, 'roi is a ratio, "5%" is a text', "did you mean 5%?"),
    (
        'symbol + "a" == "b"',
        1,
        "symbol is a text, which takes no arithmetic",
        'compare it as it is: == "…", or ~ with a glob',
    ),
    (
        '-symbol == "b"',
        2,
        "symbol is a text, which takes no arithmetic",
        'compare it as it is: == "…", or ~ with a glob',
    ),
    ("roi in [5%, 10]", 13, "roi is a ratio, 10 is a plain number", "did you mean 10%?"),
    (
        "roi in []",
        8,
        "the list is empty, so nothing is in it",
        'name what is meant, as in ["long"]',
    ),
    ('side in "long"', 9, "`in` needs a list", 'did you mean ["long"]?'),
    ("side in (long)", 9, "`in` needs a list", "did you mean [...]?"),
    (
        "roi in [margin_ratio]",
        9,
        "margin_ratio is not a literal, which a list is made of",
        "compare it with == instead",
    ),
    ('roi ~ "BTC*"', 1, "roi is a ratio, not a text", "did you mean `roi < 5%`?"),
    (
        'symbol not ~ "BTC*"',
        8,
        "`not` stands before a whole comparison, or before `in`",
        "did you mean `not symbol ~ ...`?",
    ),
    (
        "roi < 5% in [5%]",
        10,
        "`in` cannot follow another comparison here",
        "join the two with `and`",
    ),
    ("(roi < 5%) < 5%", 12, "`<` cannot follow another comparison here", "join the two with `and`"),
    (
        "(roi < 5%) + 1 < 5",
        1,
        "`(roi < 5%)` is a condition, not a value",
        "join conditions with `and` or `or`",
    ),
    ('symbol == "A" or "B"', 18, '"B" is a text, not a condition', 'did you mean `symbol == "B"`?'),
    ("roi < 5% or 10%", 13, "10% is a ratio, not a condition", "did you mean `roi < 10%`?"),
    ("roi % 2 < 5", 5, "`%` has no meaning in a condition", "it follows a number: 5%"),
    ("roi ** 2 > 5%", 6, "a value is missing before `*`", "write a value before it"),
    ("roi < 5%; roi > 3%", 9, "`;` has no meaning in a condition", "did you mean `and`?"),
    ("[5%]", 1, "a list stands only behind `in`", 'as in side in ["long"]'),
    ("roi < 5%, roi > 3%", 9, "`,` separates nothing here", "join conditions with `and` or `or`"),
    ("roi < +5%", 7, "a value is missing before `+`", "leave it out"),
    ("max(roi, 5) < 5%", 10, "roi is a ratio, 5 is a plain number", "did you mean 5%?"),
    ("roi < 5x", 7, "roi is a ratio, 5x is a multiple", "did you mean 5%?"),
    ("leverage > 5%", 12, "leverage is a multiple, 5% is a ratio", "did you mean 5x?"),
    (
        "0.5ms < data_age",
        1,
        "`0.5ms` is not a whole number of milliseconds",
        "write plain digits: 1000, 0.5%, 10x, 1h30m",
    ),
    (
        "roi < 5% not margin_ratio > 3%",
        10,
        "an operator is missing before `not`",
        "did you mean `and not`?",
    ),
    ("roi < 5% an roi > 3%", 10, "an operator is missing before `an`", "did you mean `and`?"),
    ("distance < 5%", 1, "no metric is called `distance`", "did you mean `liquidation_distance`?"),
    ('mark_price > "60000"', 14, 'mark_price is a price, "60000" is a text', "did you mean 60000?"),
    ("adl > 3x", 7, "adl is a plain number, 3x is a multiple", "did you mean 3?"),
    (
        '"abc"',
        1,
        '"abc" is a text, not a condition',
        "compare a metric with it, as in `margin_room < 20%`",
    ),
    ("quantity > 5%", 12, "quantity is a quantity, 5% is a ratio", "did you mean 5?"),
    ("not side", 5, "side is a text, not a condition", 'did you mean `side == "..."`?'),
    ("roi < 5% and side", 14, "side is a text, not a condition", 'did you mean `side == "..."`?'),
    (
        "5 > liquidation_distance",
        1,
        "liquidation_distance is a ratio, 5 is a plain number",
        "did you mean 5%?",
    ),
    ("roi > 1", 7, "roi is a ratio, 1 is a plain number", "did you mean 1%?"),
    (
        "roi < $5",
        7,
        "`$` has no meaning in a condition",
        "write the number alone; money is in the margin asset",
    ),
    (
        "data_age > -5s",
        13,
        "5s is a duration, which takes no arithmetic",
        "compare it as it is: `data_age > 30s`",
    ),
    ("notional > 5M", 12, "`5M` is not a number", "did you mean 5m?"),
    ("if roi < 5%", 4, "an operator is missing before `roi`", "leave `if` out"),
    ("max(roi 5%) < 3%", 9, "a comma is missing before `5%`", "did you mean `,`?"),
    ("roi < .05", 7, "`.05` is not a number", "did you mean 0.05?"),
    ("roi < 1.2.3%", 7, "`1.2.3%` is not a number", "write plain digits: 1000, 0.5%, 10x, 1h30m"),
    ("roi × 2 > 5%", 5, "`×` has no meaning in a condition", "did you mean `*`?"),
    ("roi < 5% und roi > 3%", 10, "an operator is missing before `und`", "did you mean `and`?"),
    ('roi && "', 5, "`&&` has no meaning in a condition", "did you mean `and`?"),
    ('"BTCUSDT" == symbl', 14, "no metric is called `symbl`", "did you mean `symbol`?"),
    (
        "symbol ~ 'BTC*' and side == “long",
        29,
        "“ is not a quotation mark here",
        'did you mean "long"?',
    ),
    (
        "mark_price / roi > 5",
        14,
        "mark_price is a price, roi is a ratio",
        "divide by a number, like by like, or money by a price or a quantity",
    ),
    (
        "notional / 2x > 5",
        12,
        "notional is an amount of money, 2x is a multiple",
        "did you mean 2?",
    ),
    (
        "max(roi, mark_price) > 5%",
        10,
        "roi is a ratio, mark_price is a price",
        "a ratio goes with ratios, as in 5%",
    ),
    ("abs() > 5%", 1, "abs takes one value, not 0", "as in abs(roi)"),
    (
        "change(equity) > 5",
        1,
        "change takes a metric and a duration, not 1 value",
        "as in change(mark_price, 5m)",
    ),
    (
        "drop(equity, 1h, 2h) > 5%",
        1,
        "drop takes a metric and a duration, not 3 values",
        "as in drop(equity, 1d)",
    ),
    (
        "change(notional * 2, 5m) > 5",
        8,
        "change looks back at one metric, not at a computed value",
        "as in change(mark_price, 5m)",
    ),
    (
        "highest(lowest(roi, 5m), 5m) > 5%",
        9,
        "highest looks back at one metric, not at a computed value",
        "as in highest(mark_price, 5m)",
    ),
    ("lowest(equty, 5m) > 5", 8, "no metric is called `equty`", "did you mean `equity`?"),
    (
        "lowest(side, 5m) > 5",
        8,
        "`side` is a text, which lowest does not look back at",
        "as in lowest(mark_price, 5m)",
    ),
    (
        "change(mark_age, 5m) > 5s",
        8,
        "`mark_age` is a duration, which change does not look back at",
        "as in change(mark_price, 5m)",
    ),
    (
        "drop(notional, 1h) > 5%",
        6,
        "drop is of a price, wallet_balance, equity or margin_balance",
        "`notional` can be 0; use change(notional, 1h)",
    ),
    (
        "change(equity, 5) > 5",
        16,
        "the window is a duration, written out",
        "did you mean 5m?",
    ),
    (
        "change(equity, mark_age) > 5",
        16,
        "the window is a duration, written out",
        "as in change(mark_price, 5m)",
    ),
    ("drop(equity, 500ms) > 5%", 14, "a window is 1s to 7d long, not 500ms", "did you mean 1s?"),
    ("drop(equity, 30d) > 5%", 14, "a window is 1s to 7d long, not 30d", "did you mean 7d?"),
    (
        "drop(equity, 1d) > 5",
        20,
        "drop(equity, 1d) is a ratio, 5 is a plain number",
        "did you mean 5%?",
    ),
    (
        "change(roi, 1h) > 5",
        19,
        "change(roi, 1h) is a ratio, 5 is a plain number",
        "did you mean 5%?",
    ),
    ("higest(roi, 1h) > 5%", 1, "no function is called `higest`", "did you mean `highest`?"),
    ("drop > 5%", 1, "`drop` is a function", "did you mean `drop(...)`?"),
    ("maxx(roi, 5%) > 5%", 1, "no function is called `maxx`", "did you mean `max`?"),
    ("roi { 5%", 5, "`{` has no meaning in a condition", "did you mean `(`?"),
    ("not roi", 5, "roi is a ratio, not a condition", "did you mean `roi < 5%`?"),
    ("roi < 1e-2", 7, "`1e-2` is not a number", "did you mean 0.01?"),
    ("roi < 10 percent", 10, "`percent` stands apart from its number", "did you mean 10%?"),
    ("data_age > 5min", 12, "`5min` is not a number", "did you mean 5m?"),
    ("data_age > 90", 12, "data_age is a duration, 90 is a plain number", "did you mean 90s?"),
    (
        "data_age in [5s, 10]",
        18,
        "data_age is a duration, 10 is a plain number",
        "did you mean 10s?",
    ),
    ("mark_price + 5% > 3", 14, "mark_price is a price, 5% is a ratio", "did you mean 5?"),
    (
        'liquidation_distance < "five"',
        24,
        'liquidation_distance is a ratio, "five" is a text',
        "a ratio goes with ratios, as in 5%",
    ),
    ("roi < (5% + 3", 14, "the `(` in column 7 is not closed", "add `)`"),
    ("roi in [5%, 10%", 16, "the `[` in column 8 is not closed", "add `]`"),
    ("roi in [5% 10%]", 12, "a comma is missing before `10%`", "did you mean `,`?"),
    ('side == "long" == 5', 19, '"long" is a text, 5 is a plain number', 'did you mean "5"?'),
    ('venue == "binance"', 10, 'venue is never "binance"', 'did you mean "binance-usdm"?'),
    ("account > 5", 11, "account is a text, 5 is a plain number", 'did you mean "5"?'),
    (
        "position_count > 5%",
        18,
        "position_count is a plain number, 5% is a ratio",
        "did you mean 5?",
    ),
    ("leverage == 10", 13, "leverage is a multiple, 10 is a plain number", "did you mean 10x?"),
    ("roi is 5%", 5, "an operator is missing before `is`", "did you mean `==`?"),
    ("roi equals 5%", 5, "an operator is missing before `equals`", "did you mean `==`?"),
    ("roi !== 5%", 5, "`!==` has no meaning in a condition", "did you mean `!=`?"),
    ("roi <= => 5%", 8, "`=>` has no meaning in a condition", "did you mean `>=`?"),
]


@pytest.mark.parametrize(
    ("text", "column", "problem", "hint"),
    [pytest.param(*row, id=row[0] or "empty") for row in WRONG],
)
def test_wrong_condition(
    vocabulary: Vocabulary, text: str, column: int, problem: str, hint: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text, vocabulary)

    error = caught.value
    assert (error.column, error.problem, error.hint) == (column, problem, hint)


LONG = "roi < 5% or " * 168


@pytest.mark.parametrize(
    ("text", "column", "problem", "hint"),
    [
        pytest.param(
            LONG,
            2001,
            "the condition is longer than 2000 characters",
            "split it into several rules",
            id="long",
        ),
        pytest.param(
            "(" * 51 + "roi < 5%" + ")" * 51,
            51,
            "the condition is nested more than 50 deep",
            "split it into several rules",
            id="deep in brackets",
        ),
        pytest.param(
            "not " * 51 + "roi < 5%",
            201,
            "the condition is nested more than 50 deep",
            "split it into several rules",
            id="deep in not",
        ),
        pytest.param(
            "abs(" * 51 + "roi" + ")" * 51 + " < 5%",
            204,
            "the condition is nested more than 50 deep",
            "split it into several rules",
            id="deep in functions",
        ),
        pytest.param(
            "roi < 5%" + " + 1%" * 101,
            510,
            "the condition has more than 100 operations",
            "split it into several rules",
            id="long sum",
        ),
        pytest.param(
            "roi\u00a0< 5%",
            4,
            "this is a special kind of blank (U+00A0)",
            "replace it by an ordinary one",
            id="no-break space",
        ),
        pytest.param(
            "roi\n<\n5",
            7,
            "roi is a ratio, 5 is a plain number",
            "did you mean 5%?",
            id="over several lines",
        ),
    ],
)
def test_limits_and_blanks(
    vocabulary: Vocabulary, text: str, column: int, problem: str, hint: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text, vocabulary)

    error = caught.value
    assert (error.column, error.problem, error.hint) == (column, problem, hint)


def test_the_whole_text_of_an_error(vocabulary: Vocabulary) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition("margin_ration < 5%", vocabulary)

    expected = "column 1: no metric is called `margin_ration` (did you mean `margin_ratio`?)"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 50 + "roi < 5%" + ")" * 50, id="brackets"),
        pytest.param("not " * 50 + "roi < 5%", id="not"),
        pytest.param("abs(" * 50 + "roi" + ")" * 50 + " < 5%", id="functions"),
        pytest.param("roi < 5%" + " + 1%" * 100, id="sum of literals"),
        pytest.param("roi" + "+roi" * 100 + " < 5%", id="sum of words"),
        pytest.param(" or ".join(["roi < 5%"] * 80), id="many parts"),
        pytest.param("(roi<1% or roi>2% and " * 40 + "roi<3%" + ")" * 40, id="deep and or"),
    ],
)
def test_what_is_within_the_limits_compiles(vocabulary: Vocabulary, text: str) -> None:
    assert compile_condition(text, vocabulary).reads == ("roi",)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        pytest.param(
            "margin_ration > 5 or roi < 5 and symbol == 5",
            [
                (1, "no metric is called `margin_ration`"),
                (28, "roi is a ratio, 5 is a plain number"),
                (44, "symbol is a text, 5 is a plain number"),
            ],
            id="each comparison",
        ),
        pytest.param(
            "rio + margin_ration < 5 * equty",
            [
                (1, "no metric is called `rio`"),
                (7, "no metric is called `margin_ration`"),
                (27, "no metric is called `equty`"),
            ],
            id="each name of one comparison",
        ),
        pytest.param(
            "5 < roi < marginratio < 5x",
            [
                (1, "roi is a ratio, 5 is a plain number"),
                (11, "no metric is called `marginratio`"),
            ],
            id="pairs of a chain that can be judged",
        ),
        pytest.param(
            "max(rio, abs(symbol), -side) > 5%",
            [
                (5, "no metric is called `rio`"),
                (14, "symbol is a text, which takes no arithmetic"),
                (24, "side is a text, which takes no arithmetic"),
            ],
            id="each argument",
        ),
        pytest.param(
            "foo(rio) > 5%",
            [(1, "no function is called `foo`"), (5, "no metric is called `rio`")],
            id="a function and its argument",
        ),
        pytest.param(
            'not (side in ["lng", 5, mark_price] or sid in ["a", rio])',
            [
                (15, 'side is never "lng"'),
                (22, "side is a text, 5 is a plain number"),
                (25, "side is a text, mark_price is a price"),
                (40, "no metric is called `sid`"),
                (53, "no metric is called `rio`"),
            ],
            id="each item of a list",
        ),
        pytest.param(
            'roi < 5 or "A" or adl and roi ~ "x"',
            [
                (7, "roi is a ratio, 5 is a plain number"),
                (12, '"A" is a text, not a condition'),
                (19, "adl is a plain number, not a condition"),
                (27, "roi is a ratio, not a text"),
            ],
            id="each part that is no condition",
        ),
        pytest.param(
            "(mark_price * mark_price) + rio < equity * quantity",
            [
                (15, "mark_price is a price, mark_price is a price"),
                (29, "no metric is called `rio`"),
                (44, "equity is an amount of money, quantity is a quantity"),
            ],
            id="inside of arithmetic",
        ),
        pytest.param(
            "rio < 5% and roi < 5 and",
            [(25, "the condition ends after `and`")],
            id="what is no condition at all is told alone",
        ),
    ],
)
def test_several_faults_are_told_at_once(
    vocabulary: Vocabulary, text: str, faults: list[tuple[int, str]]
) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text, vocabulary)

    told = (caught.value, *caught.value.more)
    assert [(fault.column, fault.problem) for fault in told] == faults
    assert all(fault.more == () for fault in told[1:])


def test_a_fault_does_not_follow_from_another(vocabulary: Vocabulary) -> None:
    """The unit of what has no meaning is not known, so nothing is said of it."""
    with pytest.raises(ConditionError) as caught:
        compile_condition("(rio + 5) * equity < symbol", vocabulary)

    assert [fault.problem for fault in (caught.value, *caught.value.more)] == [
        "no metric is called `rio`"
    ]
