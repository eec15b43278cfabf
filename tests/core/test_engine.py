"""The engine: events in, notices out, in time."""

from tests.core.worlds import World, at, level, marks, poll, position, rule
from monitor.core.events import Woke
from monitor.core.rules import Severity

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL


def distance_rule():
    return rule(
        "liquidation-distance",
        level(INFO, "liquidation_distance < 20%", on=15, off=60, band="0.1"),
        level(WARNING, "liquidation_distance < 10%", on=15, off=60, band="0.1"),
        level(CRITICAL, "liquidation_distance < 5%", off=60, band="0.1"),
    )


def test_levels_rise_with_their_delays_and_ease_when_the_keep_time_has_passed():
    world = World(distance_rule())
    prices = ["62000", "59500", "59400", "59300", "59200", "56000"] + ["62000"] * 15
    for step, price in enumerate(prices):
        seconds = 5 * step
        world.tell(seconds, poll(seconds, position(mark=price, iw="600")))

    assert world.story == [
        "15s fired info",
        "20s escalated warning",
        "25s escalated critical",
        "90s eased info recovered",
    ]
