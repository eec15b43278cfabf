"""Rule tests: what they give is what the engine sees, and what they expect is exact."""

from pathlib import Path

import pytest

from monitor.core.language.units import Unit
from monitor.core.metrics import METRICS
from monitor.ruletest.coverage import cover
from monitor.ruletest.doubts import PARTS
from monitor.ruletest.reading import find_test_files, load_tests
from monitor.ruletest.series import FIELDS
from monitor.ruletest.subjects import FIGURES
from monitor.ruletest.verdict import judge
from tests.ruletests import LONG, described, told, verdict_of

DISTANCE = """
[[rule]]
name     = "liquidation-distance"
info     = "liquidation_distance < 20%"
warning  = "liquidation_distance < 10%"
critical = "liquidation_distance < 5%"
for      = { info = "15s", warning = "15s" }
keep_firing_for = "1m"
hysteresis = "10%"
"""
EXAMPLE = """
[[test]]
name  = "ten percent warns, five is critical at once"
rules = ["liquidation-distance"]
every = "5s"
[[test.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
liquidation_price = "54000"
[test.series]
mark_price = ["62000", "59500", "59400", "59300", "59200", "56000", "62000-0x14"]
"""
TIMELINE = [
    ("15s", "fired", "info"),
    ("20s", "escalated", "warning"),
    ("25s", "escalated", "critical"),
    ("90s", "eased", "info"),
]


def expecting(*expected: tuple[str, str, str], more: str = "") -> str:
    return "".join(
        f'[[test.expect]]\nat = "{at}"\nkind = "{kind}"\nseverity = "{severity}"\n{more}'
        for at, kind, severity in expected
    )


def test_the_example_of_the_documents_passes_with_its_timeline() -> None:
    assert verdict_of(EXAMPLE + expecting(*TIMELINE), DISTANCE).passed


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(TIMELINE[:3], id="one too few"),
        pytest.param([*TIMELINE, ("95s", "resolved", "critical")], id="one too many"),
        pytest.param([("16s", "fired", "info"), *TIMELINE[1:]], id="a second late"),
        pytest.param([("14.999s", "fired", "info"), *TIMELINE[1:]], id="a millisecond early"),
        pytest.param([("15s", "fired", "warning"), *TIMELINE[1:]], id="another level"),
        pytest.param([("15s", "reminder", "info"), *TIMELINE[1:]], id="another kind"),
    ],
)
def test_expectations_are_exhaustive_and_exact(expected: list[tuple[str, str, str]]) -> None:
    assert not verdict_of(EXAMPLE + expecting(*expected), DISTANCE).passed


def test_every_shipped_level_and_happening_is_fired_by_a_test_that_passes(root: Path) -> None:
    files = load_tests(find_test_files([str(root / "rules")]))
    verdicts = [judge(case) for file in files for case in file.cases]

    assert [verdict.case.name for verdict in verdicts if not verdict.passed] == []
    assert cover(files, verdicts, [root / "rules"]).unfired == ()


# ---------------------------------------------------------------- what stands, what is computed

BELOW = '[[rule]]\nname = "r"\ninfo = "{}"\n'


@pytest.mark.parametrize(
    ("condition", "test"),
    [
        pytest.param("margin_room < 50%", LONG + 'margin_room = "49%"', id="a metric"),
        pytest.param(
            "liquidation_distance == 10%",
            LONG + 'mark_price = "60000"\nliquidation_price = "54000"',
            id="a distance from a price that is given",
        ),
        pytest.param(
            "liquidation_distance == 5%",
            LONG.replace("long", "short") + 'mark_price = "60000"\nliquidation_price = "63000"',
            id="a rise liquidates a short",
        ),
        pytest.param(
            "liquidation_distance > 1000%",
            LONG + 'mark_price = "60000"\nliquidation_price = "none"',
            id="without a price it is infinitely far",
        ),
        pytest.param(
            "liquidation_price == 0",
            LONG + 'liquidation_price = "none"',
            id="none is 0 for a long",
        ),
        pytest.param("break_even_price == 60000", LONG + "entry_price = 60000", id="break even"),
        pytest.param(
            "notional == 6000 and unrealized_pnl == -100",
            LONG + 'quantity = "0.1"\nentry_price = "61000"\nmark_price = "60000"',
            id="notional and PnL",
        ),
        pytest.param(
            "unrealized_pnl == 7 and total_unrealized_pnl == 7",
            LONG + 'quantity = "0.1"\nunrealized_pnl = "7"\nmark_price = "60000"',
            id="what is given of a position counts in its pool",
        ),
        pytest.param(
            "roi == -50%",
            LONG + 'quantity = "1"\nunrealized_pnl = "-50"\nleverage = "10x"\nnotional = "1000"',
            id="roi from given parts, without any mark",
        ),
        pytest.param(
            "liquidation_price == 50000 / 0.996",
            LONG
            + 'quantity = "0.1"\nentry_price = "60000"\nmark_price = "60000"\n'
            + 'margin_type = "isolated"\nisolated_wallet = "1000"\nmaintenance_rate = "0.4%"',
            id="a liquidation price from its parts",
        ),
        pytest.param(
            "margin_ratio == 25% and position_margin_ratio == 25%",
            LONG + '[[test.pool]]\nmaintenance_margin = "50"\nmargin_balance = "200"',
            id="a ratio from totals that are given",
        ),
        pytest.param(
            "effective_leverage == 12x",
            LONG
            + 'quantity = "0.1"\nmark_price = "60000"\nentry_price = "60000"\n'
            + '[[test.pool]]\nwallet_balance = "500"',
            id="leverage from the wallet of its pool",
        ),
        pytest.param(
            "margin_balance == 300",
            LONG
            + 'quantity = "0.1"\nmargin_type = "isolated"\nisolated_wallet = "200"\n'
            + '[[test.pool]]\nwallet_balance = "500"',
            id="isolated wallets are not the pool's",
        ),
        pytest.param(
            "position_count == 1 and mark_age == 0s and data_age == 0s and stale_for == 0s",
            LONG,
            id="ages are 0",
        ),
        pytest.param(
            'venue == "binance-usdm" and account == "main" and margin_type == "cross"',
            LONG,
            id="defaults",
        ),
    ],
)
def test_a_figure_is_what_is_given_or_follows_from_it(condition: str, test: str) -> None:
    if "mark" not in condition and "count" not in condition:
        condition = f"{condition} and symbol == 'BTCUSDT'"
    rules = BELOW.format(condition.replace('"', "'"))
    assert [line for line in told(test, rules) if "fired" in line] != []
    assert len(told(test, rules)) == 1


@pytest.mark.parametrize(
    "condition",
    [
        "abs(quantity) >= 0",
        "notional >= 0",
        "unrealized_pnl >= 0 or unrealized_pnl < 0",
        "roi > -100000%",
        "margin_room >= 0%",
        "isolated_margin >= 0 or isolated_margin < 0",
        "liquidation_distance > 0%",
        "effective_leverage >= 0x",
        "position_margin_ratio >= 0%",
        "leverage > 0x",
        "adl >= 0",
        "entry_price > 0",
        "break_even_price > 0",
        "wallet_balance >= 0 or wallet_balance < 0",
        "equity >= 0 or equity < 0",
        "margin_balance >= 0 or margin_balance < 0",
        "available_balance >= 0 or available_balance < 0",
        "margin_ratio >= 0%",
        "account_leverage >= 0x",
        "total_notional >= 0",
    ],
)
@pytest.mark.parametrize("margin_type", ["cross", "isolated"])
def test_what_nothing_is_given_of_is_unknown_not_zero(condition: str, margin_type: str) -> None:
    rules = BELOW.format(f"({condition}) and symbol == 'BTCUSDT'")
    test = f'{LONG}margin_type = "{margin_type}"\nmark_price = "60000"\n'
    assert told(test, rules) == []


def test_a_given_figure_is_not_carried_on() -> None:
    """The liquidation price stays, whatever becomes of the wallet and the quantity."""
    series = '[test.series]\nquantity = ["1", "2"]\nisolated_wallet = ["100", "5"]\n'
    test = f'every = "5s"\n{LONG}margin_type = "isolated"\nliquidation_price = "90"\n{series}'
    rules = BELOW.format("liquidation_price != 90")
    assert told(test, rules) == []


# ---------------------------------------------------------------- unknown and aged

LADDER = """
[[rule]]
name = "r"
warning = "liquidation_distance < 10%"
for = "10s"
keep_firing_for = "10s"
"""


def marks(*values: str) -> str:
    listed = ", ".join(f'"{value}"' for value in values)
    return (
        f'every = "5s"\n{LONG}liquidation_price = "54000"\n[test.series]\nmark_price = [{listed}]'
    )


@pytest.mark.parametrize(
    ("values", "timeline"),
    [
        pytest.param(("55000x2",), ["10s fired warning"], id="known"),
        pytest.param(("55000", "unknownx3"), [], id="unknown mark: time counts, nothing turns on"),
        pytest.param(
            ("55000", "unknownx3", "55000"), ["25s fired warning"], id="until it is seen again"
        ),
        pytest.param(("55000", "agedx3"), [], id="an aged mark raises nothing"),
        pytest.param(
            ("55000x2", "70000", "unknownx8", "70000x1"),
            ["10s fired warning", "70s resolved warning recovered"],
            id="what is not known does not count as cleared",
        ),
        pytest.param(
            ("55000x2", "70000", "agedx8"), ["10s fired warning"], id="an aged mark clears nothing"
        ),
    ],
)
def test_marks_may_be_unknown_or_aged(values: tuple[str, ...], timeline: list[str]) -> None:
    assert told(marks(*values), LADDER) == timeline


@pytest.mark.parametrize(
    ("name", "values", "timeline"),
    [
        pytest.param(
            "liquidation_distance",
            ("5%", "agedx5"),
            ["10s fired warning"],
            id="an aged figure whose mark is fresh raises",
        ),
        pytest.param(
            "liquidation_distance",
            ("5%x2", "50%", "agedx8", "50%x2"),
            ["10s fired warning", "70s resolved warning recovered"],
            id="and never clears",
        ),
        pytest.param(
            "liquidation_price",
            ("54000x2", "1000", "agedx8"),
            ["10s fired warning"],
            id="what is computed from it is as old",
        ),
        pytest.param(
            "quantity",
            ("1x2", "agedx8"),
            ["10s fired warning"],
            id="what is not computed from it is not",
        ),
    ],
)
def test_each_figure_is_as_good_as_its_parts(
    name: str, values: tuple[str, ...], timeline: list[str]
) -> None:
    more = {
        "liquidation_distance": "",
        "liquidation_price": 'mark_price = "55000"\n',
        "quantity": 'mark_price = "55000"\nliquidation_price = "54000"\n',
    }[name]
    listed = ", ".join(f'"{value}"' for value in values)
    test = f'every = "5s"\n{LONG}{more}[test.series]\n{name} = [{listed}]'
    assert told(test, LADDER) == timeline


def test_every_metric_is_given_or_has_its_parts() -> None:
    """Whoever adds a metric says what it is computed from."""
    given = {"quantity", "mark_price", "entry_price", "leverage", "adl"}
    given |= {"wallet_balance", "available_balance", "position_count"}
    known = {name for names in FIGURES.values() for name in names if name in METRICS}
    ages = {name for name in known if METRICS[name].unit is Unit.DURATION}
    assert known - given - ages == PARTS.keys() & known
    parts = {part.rpartition(":")[2] for parts in PARTS.values() for part in parts}
    assert parts <= {*known, *FIELDS, "maintenance"}


# ---------------------------------------------------------------- positions, pools, accounts

SIZE = '[[rule]]\nname = "r"\ninfo = "notional > 100"\nkeep_firing_for = "1m"\n'


def test_a_position_opens_closes_and_turns_by_its_quantity() -> None:
    position = '[[test.position]]\nsymbol = "BTCUSDT"\nmark_price = "200"\n'
    test = f'every = "5s"\n{position}[test.series]\nquantity = ["0", "1x1", "-1", "-0.1", "0"]'
    assert told(test, SIZE) == [
        "5s fired info",
        "15s resolved info position_closed",
        "15s fired info",
        "25s resolved info position_closed",
    ]


def test_series_name_their_position_when_there_are_several() -> None:
    test = """
every = "5s"
[[test.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "1"
[[test.position]]
id = "hedge"
symbol = "BTCUSDT"
side = "short"
position_side = "SHORT"
quantity = "3"
account = "swing"
[[test.position]]
symbol = "ETHUSDT"
side = "long"
quantity = "1"
[test.series]
"BTCUSDT.mark_price" = ["90", "110"]
ETHUSDT.mark_price = ["90x1", "101"]
"""
    assert told(test, SIZE) == [
        "0s fired info r swing/BTCUSDT/short",
        "5s fired info r main/BTCUSDT/long",
        "10s fired info r main/ETHUSDT/long",
    ]


def test_nothing_of_an_account_is_judged_before_its_first_poll() -> None:
    rules = SIZE + '[[rule]]\nname = "blind"\nwarning = "stale_for > 5s"\n'
    test = f"""
every = "5s"
[[test.account]]
first_poll = "12s"
{LONG}
quantity = "2"
mark_price = "100"
[test.series]
stale_for = ["0s+5sx3", "0s"]
"""
    assert told(test, rules) == [
        "10s fired warning blind main",
        "12s fired info r main/BTCUSDT/long",
        "20s resolved warning blind main recovered",
    ]


def test_all_that_changes_at_an_instant_is_judged_as_one() -> None:
    """Twice the quantity at half of the price: neither alone is ever seen."""
    test = f'every = "5s"\n{LONG}[test.series]\nquantity = ["1", "2"]\nmark_price = ["90", "45"]'
    rules = '[[rule]]\nname = "r"\ninfo = "notional != 90"\n'
    assert told(test, rules) == []


def test_timers_between_steps_fire_at_their_own_instants() -> None:
    rules = '[[rule]]\nname = "r"\ninfo = "mark_price < 100"\nfor = "7.5s"\nrepeat = "9s"\n'
    test = f'every = "5s"\nuntil = "30s"\n{LONG}mark_price = "90"'
    assert told(test, rules) == ["7.5s fired info", "16.5s reminder info", "25.5s reminder info"]


def test_a_pool_needs_no_position_and_no_table() -> None:
    rules = '[[rule]]\nname = "r"\ninfo = "margin_ratio > 20%"\n'
    test = 'every = "5s"\n[test.series]\nmargin_ratio = ["10%", "30%", "unknown", "10%"]'
    assert told(test, rules) == ["5s fired info", "15s resolved info recovered"]


def test_the_oracle_that_judges_everything_tells_the_same() -> None:
    test = EXAMPLE + expecting(*TIMELINE)
    assert told(test, DISTANCE) == told(test, DISTANCE, judge_all=True)


# ---------------------------------------------------------------- messages


MESSAGE = """
[[rule]]
name = "r"
info = "roi < -50%"
message = "{symbol} {side} lost {roi:.0%}"
"""


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        ("BTCUSDT long lost -60%", True),
        ("INFO: BTCUSDT long (main): r\\nBTCUSDT long lost -60%", True),
        ("BTCUSDT long lost -61%", False),
        ("BTCUSDT long", False),
    ],
)
def test_a_message_is_compared_line_by_line(message: str, passes: bool) -> None:  # noqa: FBT001 - a table's column
    test = LONG + 'roi = "-60%"\n' + expecting(("0s", "fired", "info"))
    assert verdict_of(f'{test}message = "{message}"\n', MESSAGE).passed is passes


@pytest.mark.parametrize(
    ("series", "line"),
    [
        pytest.param('roi = ["-10%", "-60%"]', "ROI -60.0 %: info (roi < -50%)", id="fresh"),
        pytest.param(
            'roi = ["-60%", "agedx1"]\nmark_price = ["unknown", "100"]\nleverage = ["5x"]',
            "ROI -60.0 %: info (roi < -50%)",
            id="given and fresh when it fired",
        ),
    ],
)
def test_a_message_on_fresh_figures_says_nothing_of_their_age(series: str, line: str) -> None:
    at = "5s" if series.startswith('roi = ["-10%"') else "0s"
    test = f'every = "5s"\n{LONG}[test.series]\n{series}\n' + expecting((at, "fired", "info"))
    heard = verdict_of(test, BELOW.format("roi < -50%")).pairs[0].heard
    assert heard is not None
    assert heard.text[1] == line
    assert not any("as of" in each for each in heard.text)


@pytest.mark.parametrize(
    ("condition", "series", "at", "said"),
    [
        pytest.param(
            "roi < -50% and mark_price < 100",
            'roi = ["-60%", "agedx5"]\nmark_price = ["110x1", "90"]',
            "10s",
            "position as of 10 s ago: the data is not fresh",
            id="a position",
        ),
        pytest.param(
            "liquidation_distance < 10%",
            'liquidation_price = ["90", "agedx5"]\nmark_price = ["200x2", "95"]',
            "15s",
            "position as of 15 s ago: the data is not fresh",
            id="what is computed from an aged figure",
        ),
        pytest.param(
            "margin_ratio > 10%",
            'margin_balance = ["500x1", "aged"]\nmaintenance_margin = ["5x1", "450"]',
            "10s",
            "balances as of 5.0 s ago: the data is not fresh",
            id="a pool",
        ),
    ],
)
def test_a_message_on_aged_figures_says_how_old_they_are(
    condition: str, series: str, at: str, said: str
) -> None:
    test = f'every = "5s"\n{LONG}[test.series]\n{series}\n' + expecting((at, "fired", "info"))
    heard = verdict_of(test, BELOW.format(condition)).pairs[0].heard
    assert heard is not None
    assert (heard.at, heard.text[-1]) == (int(at[:-1]) * 1000, said)


def test_another_message_is_shown_beside_what_was_expected() -> None:
    test = LONG + 'roi = "-60%"\n' + expecting(("0s", "fired", "info"))
    text = described(test + 'message = "BTCUSDT long lost -61%"\n', MESSAGE)
    assert text.splitlines()[:6] == [
        'rules.test.toml:1: test "t" failed',
        "      expected           happened",
        "    > 0s  fired  info    0s  fired  info  r  BTCUSDT",
        "    at 0s the message is another:",
        "        expected  BTCUSDT long lost -61%",
        "        happened  INFO: BTCUSDT long (main): r",
    ]
