"""What a trader reads of a happening."""

from datetime import UTC

import pytest

from monitor.core.formats import clock
from monitor.core.message import compose
from monitor.core.notices import Notice, Target
from monitor.core.rules import HAPPENINGS, OWN_FAULTS, Severity
from monitor.core.saying import where
from tests.core.worlds import EPOCH, happening_rule

LONG = Target("main", "BTCUSDT", "BOTH", "long")
SYMBOL = Target("main", "BTCUSDT")
MONEY = Target("main", asset="USDT")
SEEN = {"seen_by_poll_at": str(EPOCH + 725_000)}


def notice(kind: str, target: Target, details: dict[str, str], count: int = 1) -> Notice:
    return Notice(
        number=9,
        at=EPOCH + 725_000,
        kind="happened",
        severity=Severity.INFO,
        rule="changes",
        target=target,
        happening=kind,
        count=count,
        details=details,
    )


SAID = [
    (
        notice("position_opened", LONG, {"quantity": "0.1", "entry_price": "60000"}),
        "INFO: position opened: BTCUSDT long (main)",
        ["a position was opened", "quantity 0.1, entry price 60,000"],
    ),
    (
        notice("position_closed", LONG, {"quantity": "0.1", **SEEN}),
        "INFO: position closed: BTCUSDT long (main)",
        ["the position is closed, seen by poll at 03:12:05", "quantity 0.1"],
    ),
    (
        notice("position_closed", LONG, {"seen_by_poll_at": str(EPOCH - 20_000_000)}),
        "INFO: position closed: BTCUSDT long (main)",
        ["the position is closed, seen by poll at 2026-01-01 21:26:40 UTC"],
    ),
    (
        notice("margin_call", LONG, {"mark_price": "NaN", "unrealized_pnl": "-0.00000000"}),
        "INFO: BTCUSDT long (main): margin call",
        ["margin call from the exchange", "mark price NaN, unrealized PnL 0.00"],
    ),
    (
        notice("position_closed", LONG._replace(position_side="LONG"), {}),
        "INFO: position closed: BTCUSDT long leg (main)",
        ["the position is closed"],
    ),
    (
        notice("leverage_changed", SYMBOL, {"leverage": "20", "before": "10"}),
        "INFO: leverage 10x → 20x: BTCUSDT (main)",
        ["the leverage is 20x, it was 10x"],
    ),
    (
        notice("leverage_changed", SYMBOL, {"leverage": "20", **SEEN}),
        "INFO: leverage 20x: BTCUSDT (main)",
        ["the leverage is 20x, seen by poll at 03:12:05"],
    ),
    (
        notice("margin_type_changed", SYMBOL, {"margin_type": "isolated", "before": "cross"}),
        "INFO: margin type cross → isolated: BTCUSDT (main)",
        ["the margin type is isolated, it was cross"],
    ),
    (
        notice("deposit", MONEY, {"amount": "100", "wallet": "1100"}),
        "INFO: deposit of 100 USDT (main)",
        ["100 USDT came in; the wallet holds 1,100 USDT"],
    ),
    (
        notice("withdrawal", MONEY, {"wallet": "900"}),
        "INFO: withdrawal, USDT (main)",
        ["an amount of USDT went out; the wallet holds 900 USDT"],
    ),
    (
        notice("funding", MONEY, {"amount": "-0.14", "symbol": "BTCUSDT", "wallet": "9"}, 3),
        "INFO: funding paid 0.14 USDT (main)",
        ["funding: a total of 0.14 USDT paid for BTCUSDT; the wallet holds 9 USDT (3 times)"],
    ),
    (
        notice("funding", MONEY, {"amount": "0.1", "wallet": "9"}),
        "INFO: funding received 0.1 USDT (main)",
        ["funding: 0.1 USDT received; the wallet holds 9 USDT"],
    ),
    (
        notice("funding", MONEY, {"wallet": "9"}),
        "INFO: funding, USDT (main)",
        ["funding: an amount of USDT settled; the wallet holds 9 USDT"],
    ),
    (
        notice("liquidation", LONG, {"quantity": "0.1", **SEEN}),
        "INFO: BTCUSDT long (main): liquidation",
        ["the exchange is liquidating this position, seen by poll at 03:12:05", "quantity 0.1"],
    ),
    (
        notice("banned", Target(""), {"until": str(EPOCH), "message": "IP banned"}),
        "INFO: marginwatch: banned",
        [
            "the exchange bans this machine's address; until then no account can be polled",
            "until 2026-01-02 03:00:00 UTC, IP banned",
        ],
    ),
]


@pytest.mark.parametrize(("said", "title", "lines"), SAID, ids=[case[1] for case in SAID])
def test_a_happening_in_words(said: Notice, title: str, lines: list[str]) -> None:
    message = compose(said, None, now_utc=said.at, zone=UTC)
    assert message.title == title
    assert message.body.splitlines() == [*lines, "#9 · 2026-01-02 03:12:05 UTC"]


@pytest.mark.parametrize("kind", [*HAPPENINGS, *OWN_FAULTS.on])
def test_every_kind_has_a_sentence_of_its_own(kind: str) -> None:
    message = compose(notice(kind, LONG, {}), None, now_utc=EPOCH, zone=UTC)
    assert message.body.splitlines()[0] != kind


def test_a_rule_about_happenings_may_say_it_in_its_own_words() -> None:
    rule = happening_rule("changes", "deposit", message="{asset} on {account}!")
    said = notice("deposit", MONEY, {"amount": "100", "wallet": "1100"})
    assert compose(said, rule, now_utc=EPOCH, zone=UTC).body.splitlines()[:2] == [
        "USDT on main!",
        "100 USDT came in; the wallet holds 1,100 USDT",
    ]


def test_times_and_places() -> None:
    assert clock(EPOCH, UTC) == "2026-01-02 03:00:00 UTC"
    assert [where(target) for target in (LONG, SYMBOL, MONEY, Target("main"), Target(""))] == [
        "BTCUSDT long (main)",
        "BTCUSDT (main)",
        "USDT (main)",
        "main",
        "marginwatch",
    ]
