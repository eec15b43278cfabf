"""Whole stories restated from the suites of other engines, as rule tests of ours.

Prometheus (alerting rules, promtool), VictoriaMetrics (vmalert), Alertmanager (repeats), and the
corners where delays, dead bands, gaps and closings meet. Where another engine does otherwise (it
looks only every so often, it takes a gap for an end), the case says what ours promises.
"""

import pytest

from tests.ruletests import LONG, told

LESS = 'warning = "margin_room < 50%"'
TWO = 'warning = "margin_room < 50%"\ncritical = "margin_room < 10%"'
THREE = 'info = "margin_room < 50%"\nwarning = "margin_room < 30%"\ncritical = "margin_room < 10%"'


def rule(conditions: str, **more: str) -> str:
    keys = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f'[[rule]]\nname = "r"\n{conditions}\n{keys}'


def series(*values: str, every: str = "1m", name: str = "margin_room", more: str = "") -> str:
    listed = ", ".join(f'"{value}"' for value in values)
    return f'{more}every = "{every}"\n{LONG}[test.series]\n{name} = [{listed}]'


def positions(*symbols: str, every: str, **figures: tuple[str, ...]) -> str:
    """Write a test of several positions, each figure with one text of values per position."""
    tables = "".join(LONG.replace("BTCUSDT", symbol) for symbol in symbols)
    lines = [
        f"{symbol}.{name} = [{', '.join(f'{value!r}' for value in text.split())}]"
        for name, texts in figures.items()
        for symbol, text in zip(symbols, texts, strict=True)
    ]
    return f'every = "{every}"\n{tables}[test.series]\n' + "\n".join(lines)


def for_(delay: str) -> dict[str, str]:
    return {"for": f'"{delay}"'}


STORIES = [
    # ------------------------------------------------------------ Prometheus: alerting rules
    pytest.param(
        rule('warning = "mark_price < 100"', **for_("1m")),
        positions(
            "BTCUSDT",
            "ETHUSDT",
            every="5m",
            mark_price=("75 85 95 105 105 95 85", "80 90 100 110 120 130 140"),
        ),
        [
            "60s fired warning r main/BTCUSDT/long",
            "60s fired warning r main/ETHUSDT/long",
            "600s resolved warning r main/ETHUSDT/long recovered",
            "900s resolved warning r main/BTCUSDT/long recovered",
            "1560s fired warning r main/BTCUSDT/long",
        ],
        id="two instances, one of them twice; a delay passes between two looks",
    ),
    pytest.param(
        rule('warning = "mark_price > 50"', **for_("1m"), keep_firing_for='"1m"'),
        series("75", "85", "70", "70", "10x5", name="mark_price"),
        ["60s fired warning", "300s resolved warning recovered"],
        id="a delay on either side",
    ),
    pytest.param(
        rule('warning = "mark_price > 50"', **for_("1m"), keep_firing_for='"1m"'),
        series("75", "10x10", name="mark_price"),
        [],
        id="what was only pending is not kept",
    ),
    pytest.param(
        rule('critical = "adl == 0"', **for_("5m"), repeat='"never"'),
        series("0x1440", name="adl"),
        ["300s fired critical"],
        id="down for a day fires once, after five minutes",
    ),
    pytest.param(
        rule('info = "mark_price > 0"', repeat='"never"'),
        series("1x1440", name="mark_price"),
        ["0s fired info"],
        id="what is always true fires at once",
    ),
    pytest.param(
        rule(LESS, **for_("1m")),
        series("49%", "50%"),
        [],
        id="an end at the very instant at which the delay passes comes first",
    ),
    pytest.param(
        rule(LESS, **for_("60.001s")),
        series("49%x1", "50%"),
        ["60.001s fired warning", "120s resolved warning recovered"],
        id="a delay of a millisecond more than a step",
    ),
    # ------------------------------------------------------------ VictoriaMetrics: vmalert
    pytest.param(
        rule(LESS),
        series("49%", "60%", "49%", "60%", "60%", "49%", every="5ms"),
        [
            "0s fired warning",
            "0.005s resolved warning recovered",
            "0.01s fired warning",
            "0.015s resolved warning recovered",
            "0.025s fired warning",
        ],
        id="on and off and on, every few milliseconds",
    ),
    pytest.param(
        rule(LESS),
        positions("BTCUSDT", "ETHUSDT", "SOLUSDT", every="5ms", margin_room=("49%", "48%", "47%")),
        [
            "0s fired warning r main/BTCUSDT/long",
            "0s fired warning r main/ETHUSDT/long",
            "0s fired warning r main/SOLUSDT/long",
        ],
        id="several at once",
    ),
    pytest.param(
        rule(LESS),
        positions(
            "BTCUSDT",
            "ETHUSDT",
            "SOLUSDT",
            every="5ms",
            margin_room=("49% 60%", "60% 49% 60%", "60% 60% 49%"),
        ),
        [
            "0s fired warning r main/BTCUSDT/long",
            "0.005s resolved warning r main/BTCUSDT/long recovered",
            "0.005s fired warning r main/ETHUSDT/long",
            "0.01s resolved warning r main/ETHUSDT/long recovered",
            "0.01s fired warning r main/SOLUSDT/long",
        ],
        id="one after the other",
    ),
    pytest.param(rule(LESS, **for_("1m")), series("49%"), [], id="pending at the end"),
    pytest.param(
        rule(LESS, **for_("5ms")),
        series("49%x1", every="5ms"),
        ["0.005s fired warning"],
        id="fires at its second look",
    ),
    pytest.param(
        rule(LESS, **for_("1s")),
        series("49%x1", "60%", every="5ms"),
        [],
        id="pending, then nothing",
    ),
    pytest.param(
        rule(LESS, **for_("5ms")),
        series("49%x1", "60%", "49%x1", every="5ms"),
        ["0.005s fired warning", "0.01s resolved warning recovered", "0.02s fired warning"],
        id="after an end it waits again",
    ),
    pytest.param(
        rule(LESS, **for_("5ms"), keep_firing_for='"5ms"'),
        series("49%x1", "60%", "49%", every="5ms"),
        ["0.005s fired warning"],
        id="back at the very instant at which it would have ended",
    ),
    pytest.param(
        rule(LESS, **for_("5ms"), keep_firing_for='"10ms"'),
        series("49%x1", "60%x2", "49%x1", every="5ms"),
        ["0.005s fired warning", "0.02s resolved warning recovered", "0.03s fired warning"],
        id="kept for two looks, ended, pending, fired",
    ),
    pytest.param(
        rule(LESS, **for_("1s")),
        series("49%x1", "unknownx1", "49%", every="1s"),
        ["1s fired warning"],
        id="a gap ends nothing and begins nothing anew",
    ),
    pytest.param(
        rule(LESS, **for_("3s")),
        series("49%", "unknown", "49%", "unknown", "49%", every="1s"),
        ["4s fired warning"],
        id="due in a gap, it fires when it is seen again",
    ),
    pytest.param(
        rule(LESS, **for_("3s")),
        positions(
            "BTCUSDT", "ETHUSDT", every="1s", margin_room=("49% 49% 49% 49%", "49% 49% 60% 49%")
        ),
        ["3s fired warning r main/BTCUSDT/long"],
        id="each has a delay of its own",
    ),
    pytest.param(
        rule('critical = "stale_for > 0s"', **for_("1m")),
        'every = "1m"\n[[test.account]]\n[test.series]\nstale_for = ["0s", "60s+60sx9", "0s"]',
        ["120s fired critical", "660s resolved critical recovered"],
        id="absence is a number, and has a delay too",
    ),
    # ------------------------------------------------------------ Alertmanager: repeats
    pytest.param(
        rule(LESS, repeat='"10m"'),
        series("49%x4", "60%x2", "49%x12"),
        [
            "0s fired warning",
            "300s resolved warning recovered",
            "480s fired warning",
            "1080s reminder warning",
        ],
        id="a new alert has a new timer",
    ),
    pytest.param(
        rule(LESS, repeat='"10m"'),
        series("49%x9", "60%"),
        ["0s fired warning", "600s resolved warning recovered"],
        id="an end at the instant of a reminder is no reminder",
    ),
    pytest.param(
        rule(LESS, repeat='"10m"', keep_firing_for='"30m"'),
        series("49%x4", "60%x40"),
        [
            "0s fired warning",
            "600s reminder warning",
            "1200s reminder warning",
            "1800s reminder warning",
            "2100s resolved warning recovered",
        ],
        id="what is kept firing is reminded of",
    ),
    pytest.param(
        rule(LESS, repeat='"10m"', **for_("15m")),
        series("49%x26"),
        ["900s fired warning", "1500s reminder warning"],
        id="what is pending is not",
    ),
    pytest.param(
        rule(THREE, repeat='"10m"'),
        series("5%x4", "40%x11"),
        ["0s fired critical", "300s eased info recovered", "900s reminder info"],
        id="easing puts a reminder off",
    ),
    # ------------------------------------------------------------ dead bands and delays together
    pytest.param(
        rule(LESS, **for_("2m"), hysteresis='"10%"'),
        series("49%", "52%x1", "49%"),
        ["180s fired warning"],
        id="in the dead band the delay goes on, and only the condition itself fires",
    ),
    pytest.param(
        rule(LESS, **for_("2m"), hysteresis='"10%"'),
        series("49%", "52%x9", "55%"),
        [],
        id="in the dead band alone nothing fires",
    ),
    pytest.param(
        rule(LESS, keep_firing_for='"2m"', hysteresis='"10%"'),
        series("49%", "60%", "54%", "60%x3"),
        ["0s fired warning", "300s resolved warning recovered"],
        id="back into the dead band, the end counts anew",
    ),
    pytest.param(
        rule('warning = "adl == 4"', hysteresis='"50%"'),
        series("4", "3", "4", name="adl"),
        ["0s fired warning", "60s resolved warning recovered", "120s fired warning"],
        id="== has no dead band",
    ),
    pytest.param(
        rule('warning = "10% < margin_room < 50%"', hysteresis='"10%"'),
        series("49%", "9.1%", "9%", "30%", "54.9%", "55%"),
        [
            "0s fired warning",
            "120s resolved warning recovered",
            "180s fired warning",
            "300s resolved warning recovered",
        ],
        id="a chain has one at either end",
    ),
    pytest.param(
        rule('warning = "not margin_room >= 50%"', hysteresis='"10%"'),
        series("49%", "54%", "55%"),
        ["0s fired warning", "120s resolved warning recovered"],
        id="under not it lies on the same side",
    ),
    pytest.param(
        rule('warning = "50% > margin_room"', hysteresis='"10%"'),
        series("49%", "54%", "55%"),
        ["0s fired warning", "120s resolved warning recovered"],
        id="a threshold on the left is a threshold",
    ),
    # ------------------------------------------------------------ levels
    pytest.param(
        rule(TWO, **{"for": '{ warning = "5m" }'}),
        series("5%", "40%x5"),
        ["0s fired critical", "60s resolved critical recovered", "300s fired warning"],
        id="a lower level that is still pending does not hold it up",
    ),
    pytest.param(
        rule(TWO, **{"for": '{ warning = "5m" }'}),
        series("5%x5", "40%x1", "60%"),
        ["0s fired critical", "360s eased warning recovered", "480s resolved critical recovered"],
        id="its time passed behind the higher one",
    ),
    pytest.param(
        rule(TWO, keep_firing_for='{ critical = "3m" }'),
        series("5%", "60%", "40%x3", "60%"),
        ["0s fired critical", "240s eased warning recovered", "360s resolved critical recovered"],
        id="a lower level fires again behind a higher one that is kept",
    ),
    pytest.param(
        rule(THREE, **{"for": '{ critical = "2m" }'}),
        series("20%", "5%x1", "20%", "5%x2"),
        ["0s fired warning", "360s escalated critical"],
        id="flapping at the worst level",
    ),
    # ------------------------------------------------------------ closed, turned round, unseen
    pytest.param(
        rule(LESS, **for_("2m")),
        f'every = "1m"\n{LONG}margin_room = "49%"\n[test.series]\nquantity = ["1x1", "0", "1x2"]',
        ["300s fired warning"],
        id="closed while pending: begins anew when it opens",
    ),
    pytest.param(
        rule(LESS, keep_firing_for='"1h"'),
        'every = "1m"\n[[test.position]]\nsymbol = "BTCUSDT"\nmargin_room = "49%"\n'
        '[test.series]\nquantity = ["1", "-1"]',
        ["0s fired warning", "60s resolved warning position_closed", "60s fired warning"],
        id="turned round: one ends, another begins",
    ),
    pytest.param(
        rule(LESS),
        f'every = "1m"\n{LONG}[test.series]\nmargin_room = ["49%", "unknownx2"]\n'
        'quantity = ["1x1", "0"]',
        ["0s fired warning", "120s resolved warning position_closed"],
        id="unknown, then closed",
    ),
    pytest.param(
        rule(LESS, **for_("1m")),
        f'until = "5m"\n[[test.account]]\nfirst_poll = "30s"\n{LONG}margin_room = "49%"',
        ["90s fired warning"],
        id="a delay counts from the first poll",
    ),
    pytest.param(
        rule(LESS),
        f'until = "5m"\n[[test.account]]\nfirst_poll = "never"\n{LONG}margin_room = "49%"',
        [],
        id="without a poll nothing is judged",
    ),
    # ------------------------------------------------------------ doubt
    pytest.param(
        rule(LESS, **for_("2m")),
        series("49%", "aged", "agedx1"),
        ["120s fired warning"],
        id="aged numbers let a delay pass, and raise",
    ),
    pytest.param(
        rule(LESS, keep_firing_for='"2m"'),
        series("49%", "60%", "agedx4", "60%x1"),
        ["0s fired warning", "480s resolved warning recovered"],
        id="aged time is no clear time",
    ),
    pytest.param(
        rule(TWO),
        series("40%", "unknownx1", "5%", "unknownx1", "60%"),
        ["0s fired warning", "180s escalated critical", "360s resolved critical recovered"],
        id="a gap changes no level",
    ),
]


@pytest.mark.parametrize(("rules", "test", "timeline"), STORIES)
def test_a_story_is_told_as_promised(rules: str, test: str, timeline: list[str]) -> None:
    assert told(test, rules) == timeline
    assert told(test, rules, judge_all=True) == timeline


def forced(*instants: str, symbol: str = "BTCUSDT", kind: str = "adl") -> str:
    return "".join(
        f'[[test.happening]]\nat = "{at}"\nkind = "{kind}"\nsymbol = "{symbol}"\nside = "long"\n'
        for at in instants
    )


HAPPENED = 'on = ["adl", "liquidation"]\nseverity = "critical"'


@pytest.mark.parametrize(
    ("rules", "test", "timeline"),
    [
        pytest.param(
            rule(HAPPENED),
            'until = "5m"\n' + forced("0s", "10s", "59s"),
            ["0s happened critical adl", "60s happened critical adl"],
            id="the first at once, the others together",
        ),
        pytest.param(
            rule(HAPPENED),
            'until = "5m"\n' + forced("0s", "61s"),
            ["0s happened critical adl", "61s happened critical adl"],
            id="after its cooldown it is a first again",
        ),
        pytest.param(
            rule(HAPPENED, cooldown='"0s"'),
            'until = "5m"\n' + forced("0s", "1s"),
            ["0s happened critical adl", "1s happened critical adl"],
            id="without a cooldown each is told",
        ),
        pytest.param(
            rule(HAPPENED),
            'until = "5m"\n' + forced("0s") + forced("1s", kind="liquidation"),
            ["0s happened critical adl", "1s happened critical liquidation"],
            id="each kind has its own",
        ),
        pytest.param(
            rule(HAPPENED, symbols='["ETH*"]'),
            'until = "5m"\n' + forced("0s") + forced("1s", symbol="ETHUSDT"),
            ["1s happened critical adl"],
            id="of some symbols alone",
        ),
    ],
)
def test_what_happens_is_told_as_promised(rules: str, test: str, timeline: list[str]) -> None:
    assert told(test, rules) == timeline
