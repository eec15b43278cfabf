"""Who is told what."""

from dataclasses import replace

import pytest

from monitor.core.notices import Delivery, Notice, Target, Told
from monitor.core.routing import Channel, Router
from monitor.core.rules import Globs, Rule, Severity
from tests.core.worlds import level, rule

NONE, INFO, WARNING, CRITICAL = Severity
TARGET = Target("main", "BTCUSDT", "BOTH", "long")
RULE = rule("room", level(INFO, "margin_room < 60%"))
HAPPENING = replace(RULE, levels=(), on=("liquidation",), severity=WARNING)


def notice(
    kind: str, severity: Severity, previous: Severity | None = None, number: int = 1
) -> Notice:
    return Notice(number, 0, kind, severity, "room", TARGET, previous)


def life(router: Router, chosen: Rule | None = RULE) -> list[list[int]]:
    """The whole life of one alert; the numbers that `phone` and `desk` hear of each step."""
    steps = [
        notice("fired", INFO, NONE, 1),
        notice("escalated", CRITICAL, INFO, 2),
        notice("reminder", CRITICAL, CRITICAL, 3),
        notice("eased", WARNING, CRITICAL, 4),
        notice("eased", INFO, WARNING, 5),
        notice("resolved", CRITICAL, INFO, 6),
    ]
    heard: dict[str, list[int]] = {}
    for step in steps:
        for delivery in router.route(step, chosen).deliveries:
            heard.setdefault(delivery.channel, []).append(delivery.number)
    return [heard.get(name, []) for name in ("phone", "desk")]


def test_a_channel_hears_from_its_min_severity_on_and_then_everything() -> None:
    router = Router([Channel("phone"), Channel("desk", WARNING)])
    assert life(router) == [[1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6]]


def test_told_moves_with_the_delivery() -> None:
    router = Router([Channel("phone"), Channel("desk", WARNING)])
    steps = notice("fired", INFO), notice("escalated", CRITICAL), notice("resolved", CRITICAL)
    told = [[(one.channel, one.level) for one in router.route(step, RULE)[1]] for step in steps]
    assert told == [
        [("phone", INFO)],
        [("phone", CRITICAL), ("desk", CRITICAL)],
        [("phone", NONE), ("desk", NONE)],
    ]
    assert router.told("room", TARGET, "phone") is NONE


@pytest.mark.parametrize(
    "channel",
    [
        pytest.param(Channel("desk", accounts=Globs(["other*"])), id="account"),
        pytest.param(Channel("desk", rules=Globs(["!room"])), id="rule"),
        pytest.param(Channel("desk", CRITICAL), id="severity never reached"),
    ],
)
def test_what_a_channel_does_not_take(channel: Channel) -> None:
    router = Router([Channel("phone"), channel])
    assert [
        entry.channel
        for step in (notice("fired", INFO), notice("resolved", INFO))
        for entry in router.route(step, RULE)[0]
    ] == ["phone", "phone"]


def test_a_rule_names_its_channels() -> None:
    router = Router([Channel("phone"), Channel("desk")])
    assert life(router, replace(RULE, channels=("desk",))) == [[], [1, 2, 3, 4, 5, 6]]


def test_without_resolved_the_end_is_not_sent_and_told_is_none_all_the_same() -> None:
    router = Router([Channel("phone", send_resolved=False)])
    assert life(router) == [[1, 2, 3, 4, 5], []]
    assert router.told("room", TARGET, "phone") is NONE
    assert life(router) == [[1, 2, 3, 4, 5], []]


def test_without_reminders() -> None:
    router = Router([Channel("phone", send_reminders=False)])
    assert life(router) == [[1, 2, 4, 5, 6], []]


def test_a_reminder_goes_to_those_who_were_told() -> None:
    router = Router([Channel("phone"), Channel("desk")], [Told("room", TARGET, "desk", INFO)])
    assert router.route(notice("reminder", INFO), RULE) == ([Delivery(1, "desk")], [], False)


def test_what_was_told_in_an_earlier_run_is_known() -> None:
    router = Router([Channel("desk", CRITICAL)], [Told("room", TARGET, "desk", CRITICAL)])
    assert router.told("room", TARGET, "desk") is CRITICAL
    deliveries, told, _ = router.route(notice("eased", INFO), RULE)
    assert deliveries == [Delivery(1, "desk", urgent=True)]
    assert told == [Told("room", TARGET, "desk", INFO, CRITICAL)]


def test_what_was_told_to_a_channel_that_is_gone_is_forgotten() -> None:
    router = Router([Channel("new")], [Told("room", TARGET, "old", CRITICAL)])
    assert router.told("room", TARGET, "old") is NONE
    assert router.route(notice("resolved", CRITICAL), RULE) == ([], [], False)


def test_the_end_of_an_alert_without_its_rule_goes_to_those_who_were_told() -> None:
    router = Router([Channel("phone"), Channel("desk")], [Told("room", TARGET, "phone", INFO)])
    deliveries, told, _ = router.route(notice("resolved", INFO), None)
    assert deliveries == [Delivery(1, "phone")]
    assert told == [Told("room", TARGET, "phone", NONE)]


def test_happenings_go_by_severity_and_leave_told_alone() -> None:
    router = Router([Channel("phone"), Channel("desk", CRITICAL)])
    happened = replace(notice("happened", WARNING), happening="liquidation")
    assert router.route(happened, HAPPENING) == ([Delivery(1, "phone")], [], False)
    assert router.told("room", TARGET, "phone") is NONE
    assert router.route(happened, None) == ([], [], False)


def test_alerts_of_different_targets_are_told_apart() -> None:
    router = Router([Channel("phone", WARNING)])
    router.route(notice("fired", WARNING), RULE)
    other = replace(notice("fired", INFO), target=TARGET._replace(side="short"))
    assert router.route(other, RULE) == ([], [], False)


@pytest.mark.parametrize(
    ("patterns", "matches"),
    [
        pytest.param([], "BTCUSDT ETHUSDT", id="an empty list is everything"),
        pytest.param(["*"], "BTCUSDT ETHUSDT", id="everything"),
        pytest.param(["BTC*"], "BTCUSDT", id="one glob"),
        pytest.param(["!BTC*"], "ETHUSDT", id="only exceptions start from everything"),
        pytest.param(["*", "!ETH*"], "BTCUSDT", id="last match wins"),
        pytest.param(["!ETH*", "*"], "BTCUSDT ETHUSDT", id="last match wins, the other way"),
        pytest.param(["btc*"], "", id="case counts"),
        pytest.param(["BTC"], "", id="the whole name"),
    ],
)
def test_globs(patterns: list[str], matches: str) -> None:
    globs = Globs(patterns)
    assert " ".join(filter(globs.match, ["BTCUSDT", "ETHUSDT"])) == matches
    assert globs == Globs(patterns)
    assert hash(globs) == hash(Globs(patterns))
    assert repr(globs) == f"Globs({patterns!r})"
