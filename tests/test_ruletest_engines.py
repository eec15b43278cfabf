"""Timelines restated from the suites of other engines, as rule tests of ours.

Prometheus' alerting suite: `for`, `keep_firing_for`, gaps. Alarm panels and relays: dead bands,
delays that begin anew. Where another engine does otherwise, the test says what ours promises.
"""

import pytest

from tests.ruletests import LONG, told


def rule(conditions: str, **more: str) -> str:
    keys = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f'[[rule]]\nname = "r"\n{conditions}\n{keys}'


def series(*values: str, every: str = "1m", name: str = "margin_room") -> str:
    listed = ", ".join(f'"{value}"' for value in values)
    return f'every = "{every}"\n{LONG}[test.series]\n{name} = [{listed}]'


LESS = 'warning = "margin_room < 50%"'
THREE = 'info = "margin_room < 50%"\nwarning = "margin_room < 30%"\ncritical = "margin_room < 10%"'


@pytest.mark.parametrize(
    ("rules", "test", "timeline"),
    [
        # ------------------------------------------------------------ thresholds
        pytest.param(
            rule(LESS), series("50%", "49.99%"), ["60s fired warning"], id="< at equality"
        ),
        pytest.param(
            rule('warning = "margin_room <= 50%"'),
            series("50.01%", "50%"),
            ["60s fired warning"],
            id="<= at equality",
        ),
        pytest.param(
            rule('warning = "margin_ratio > 20%"'),
            'every = "1m"\n[test.series]\nmargin_ratio = ["20%", "20.0001%"]',
            ["60s fired warning"],
            id="> at equality",
        ),
        pytest.param(
            rule('warning = "margin_ratio >= 20%"'),
            'every = "1m"\n[test.series]\nmargin_ratio = ["19.9999%", "20%"]',
            ["60s fired warning"],
            id=">= at equality",
        ),
        # ------------------------------------------------------------ for
        pytest.param(
            rule(LESS, **{"for": '"0s"'}), series("49%"), ["0s fired warning"], id="no delay"
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}),
            series("49%x4"),
            ["120s fired warning"],
            id="fires when its delay has passed, not after",
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}),
            series("49%x1", "60%", "49%x5"),
            ["300s fired warning"],
            id="one good sample begins the delay anew",
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}),
            series("49%x1", "60%", "49%x1", "60%", "49%x1"),
            [],
            id="flapping below the delay is not told",
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}),
            series("49%", "unknown", "49%x2"),
            ["120s fired warning"],
            id="a gap while rising does not begin it anew",
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}),
            series("49%", "unknownx5"),
            [],
            id="what is only ever unknown after that does not fire",
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}),
            series("49%", "unknownx5", "60%x1", "49%x2"),
            ["660s fired warning"],
            id="a gap that ends well begins it anew",
        ),
        # ------------------------------------------------------------ keep_firing_for
        pytest.param(
            rule(LESS),
            series("49%", "60%"),
            ["0s fired warning", "60s resolved warning recovered"],
            id="without it an end is told at once",
        ),
        pytest.param(
            rule(LESS, keep_firing_for='"5m"'),
            series("49%", "60%x9"),
            ["0s fired warning", "360s resolved warning recovered"],
            id="it keeps firing",
        ),
        pytest.param(
            rule(LESS, keep_firing_for='"5m"'),
            series("49%", "60%x3", "49%", "60%x9"),
            ["0s fired warning", "660s resolved warning recovered"],
            id="back within it: nothing is told, and it counts from the last end",
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}, keep_firing_for='"10m"'),
            series("49%x1", "60%x9"),
            [],
            id="it is for what fired, not for what was rising",
        ),
        pytest.param(
            rule(LESS, **{"for": '"2m"'}, keep_firing_for='"3m"'),
            series("49%x2", "60%x1", "49%", "60%x5"),
            ["120s fired warning", "540s resolved warning recovered"],
            id="one bad sample while falling puts it on again, without its delay",
        ),
        pytest.param(
            rule(LESS, keep_firing_for='"3m"'),
            series("49%", "60%", "unknownx9", "60%x3"),
            ["0s fired warning", "840s resolved warning recovered"],
            id="unknown time does not count as clear",
        ),
        pytest.param(
            rule(LESS, keep_firing_for='"1h"'),
            f'every = "1m"\n{LONG}margin_room = "49%"\n[test.series]\nquantity = ["1x1", "0x3"]',
            ["0s fired warning", "120s resolved warning position_closed"],
            id="a closed position ends at once",
        ),
        # ------------------------------------------------------------ re-entry
        pytest.param(
            rule(LESS),
            series("49%", "60%", "49%", "60%"),
            [
                "0s fired warning",
                "60s resolved warning recovered",
                "120s fired warning",
                "180s resolved warning recovered",
            ],
            id="each time anew",
        ),
        pytest.param(
            rule(LESS, **{"for": '"1m"'}),
            series("49%x1", "60%", "49%x1"),
            ["60s fired warning", "120s resolved warning recovered", "240s fired warning"],
            id="its delay counts again",
        ),
        # ------------------------------------------------------------ hysteresis
        pytest.param(
            rule(LESS, hysteresis='"10%"'),
            series("49%", "54.9%", "49%", "54.9%", "55%"),
            ["0s fired warning", "240s resolved warning recovered"],
            id="within the dead band it stays, at its edge it clears",
        ),
        pytest.param(
            rule(LESS, hysteresis='"10%"'),
            series("54%", "50%", "49.9%"),
            ["120s fired warning"],
            id="the dead band never raises",
        ),
        pytest.param(
            rule('warning = "roi < -50%"', hysteresis='"10%"'),
            series("-51%", "-45.1%", "-45%", name="roi"),
            ["0s fired warning", "120s resolved warning recovered"],
            id="of a negative threshold it lies towards zero",
        ),
        pytest.param(
            rule('warning = "roi < 0%"', hysteresis='"10%"'),
            series("-1%", "0%", "-1%", name="roi"),
            ["0s fired warning", "60s resolved warning recovered", "120s fired warning"],
            id="of zero there is none",
        ),
        # ------------------------------------------------------------ levels
        pytest.param(
            rule(THREE),
            series("40%", "20%", "5%", "20%", "40%", "60%"),
            [
                "0s fired info",
                "60s escalated warning",
                "120s escalated critical",
                "180s eased warning recovered",
                "240s eased info recovered",
                "300s resolved critical recovered",
            ],
            id="up and down, the end tells the worst",
        ),
        pytest.param(
            rule(THREE, **{"for": '{ info = "2m", warning = "1m" }'}),
            series("5%", "60%"),
            ["0s fired critical", "60s resolved critical recovered"],
            id="the highest level does not wait for the lower ones",
        ),
        pytest.param(
            rule(THREE, **{"for": '{ info = "2m", warning = "1m" }'}),
            series("40%", "20%", "5%", "40%x2"),
            ["120s fired critical", "180s eased info recovered"],
            id="a higher level is true of the lower ones, whose time goes on",
        ),
        pytest.param(
            rule(THREE, keep_firing_for='{ critical = "2m" }'),
            series("5%", "60%x4"),
            ["0s fired critical", "180s resolved critical recovered"],
            id="each level has an end of its own",
        ),
        # ------------------------------------------------------------ reminders
        pytest.param(
            rule(LESS, repeat='"10m"'),
            series("49%x25"),
            ["0s fired warning", "600s reminder warning", "1200s reminder warning"],
            id="reminders count from the last notice",
        ),
        pytest.param(
            rule(THREE, repeat='"10m"'),
            series("40%x4", "20%x14"),
            ["0s fired info", "300s escalated warning", "900s reminder warning"],
            id="a change of level puts them off",
        ),
        pytest.param(
            rule(LESS, repeat='"never"'), series("49%x100"), ["0s fired warning"], id="or never"
        ),
        # ------------------------------------------------------------ three values
        pytest.param(
            rule('warning = "margin_room < 50% or roi < -50%"'),
            series("unknown", "49%", "unknown") + '\nroi = ["-60%", "0%"]',
            ["0s fired warning"],
            id="true or unknown is true, false or unknown is not",
        ),
        pytest.param(
            rule('warning = "margin_room < 50% and roi < -50%"'),
            series("unknown", "49%", "unknown") + '\nroi = ["-60%x1", "0%"]',
            ["60s fired warning", "120s resolved warning recovered"],
            id="true and unknown is unknown, false and unknown is false",
        ),
        pytest.param(
            rule('warning = "not margin_room >= 50%"'),
            series("unknown", "49%"),
            ["60s fired warning"],
            id="not of unknown is unknown",
        ),
        pytest.param(
            rule('warning = "isolated_margin < 5 or margin_room < 50%"'),
            series("60%", "49%"),
            ["60s fired warning"],
            id="what has no meaning is false",
        ),
    ],
)
def test_a_timeline_is_what_is_promised(rules: str, test: str, timeline: list[str]) -> None:
    assert told(test, rules) == timeline
    assert told(test, rules, judge_all=True) == timeline
