"""Targets as people write them: what is meant, and what is said where nothing or too much is."""

import pytest

from monitor.core.addressing import (
    Address,
    Unknown,
    find,
    read_address,
    unknown_account,
    unknown_rule,
)
from monitor.core.language.units import Scope
from monitor.core.notices import Target

LONG = Target("main", "BTCUSDT", "LONG", "long")
SHORT = Target("main", "BTCUSDT", "SHORT", "short")
ETH = Target("main", "ETHUSDT", "BOTH", "short")
USDT = Target("main", asset="USDT")
MAIN = Target("main")
THERE = [LONG, SHORT, ETH, USDT, MAIN]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("main", Address("main")),
        ("main/USDT", Address("main", "USDT")),
        ("main/BTCUSDT/long", Address("main", "BTCUSDT", "long")),
        ("main/BTCUSDT/SHORT", Address("main", "BTCUSDT", "short")),
        ("main/BTCUSDT/BOTH", None),
        ("main/BTCUSDT/long/USDT", None),
        ("main/", None),
        ("/BTCUSDT", None),
        ("", None),
    ],
)
def test_what_is_a_target(text: str, address: Address | None) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize(
    ("text", "scope", "found"),
    [
        ("main/BTCUSDT/long", Scope.POSITION, LONG),
        ("main/ETHUSDT", Scope.POSITION, ETH),
        ("main/ETHUSDT/short", Scope.POSITION, ETH),
        ("main/USDT", Scope.POOL, USDT),
        ("main", Scope.ACCOUNT, MAIN),
        (
            "main/BTCUSDT",
            Scope.POSITION,
            Unknown(
                "target",
                "main/BTCUSDT may be several positions: name the side",
                ("main/BTCUSDT/long", "main/BTCUSDT/short"),
            ),
        ),
        (
            "main/ETHUSDT/long",
            Scope.POSITION,
            Unknown(
                "target",
                "main has no ETHUSDT/long now; did you mean main/ETHUSDT/short?",
                ("main/BTCUSDT/long", "main/BTCUSDT/short", "main/ETHUSDT/short"),
            ),
        ),
        (
            "main/ETHUSD",
            Scope.POSITION,
            Unknown(
                "target",
                "main has no ETHUSD now; did you mean main/ETHUSDT/short?",
                ("main/BTCUSDT/long", "main/BTCUSDT/short", "main/ETHUSDT/short"),
            ),
        ),
        (
            "main/BNB",
            Scope.POOL,
            Unknown("target", "main has no BNB now", ("main/USDT",)),
        ),
        (
            "main/USDT",
            Scope.ACCOUNT,
            Unknown(
                "target", "the rule r is about accounts (ACCOUNT), main/USDT is not", ("main",)
            ),
        ),
        (
            "main",
            Scope.POOL,
            Unknown(
                "target",
                "the rule r is about an asset's money (ACCOUNT/ASSET), main is not",
                ("main/USDT",),
            ),
        ),
    ],
)
def test_which_target_is_meant(text: str, scope: Scope, found: Target | Unknown) -> None:
    address = read_address(text)
    assert address is not None
    assert find(address, "r", scope, THERE) == found


def test_names_one_slip_away() -> None:
    assert unknown_rule("los", ["room", "loss"]) == Unknown(
        "rule", "no rule is called los", ("loss", "room")
    )
    assert unknown_rule("marginroom", ["loss", "margin-room"]).problem == (
        "no rule is called marginroom; did you mean margin-room?"
    )
    assert unknown_account("mian", ["main", "swing"]).facts() == {
        "what": "account",
        "problem": "no account is called mian; did you mean main?",
        "choices": ["main", "swing"],
    }
