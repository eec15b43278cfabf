"""Slips of the pen: one letter, never two, and never a digit."""

import pytest

from monitor.core.slips import asset_meant, slip, symbol_meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("main", ""),
        ("mian", "main"),
        ("man", ""),  # shorter names resemble too many others
        ("mains", "main"),
        ("mainn", "main"),
        ("Main", "main"),
        ("MA", ""),
        ("maim", "main"),
        ("main2", ""),
        ("nima", ""),
        ("swing1", ""),
        ("swing12", ""),
        ("swng2", "swing2"),
        ("", ""),
    ],
)
def test_a_slip_is_one_letter(name: str, meant: str) -> None:
    assert slip(name, ["main", "swing2", "ma"]) == (meant or ("ma" if name == "MA" else ""))


@pytest.mark.parametrize(
    ("symbol", "meant"),
    [
        ("BTCUSDT", ""),
        ("BTCUSDC", ""),
        ("ETHBTC", ""),
        ("BTCUSDT_260327", ""),
        ("BTCUSD_PERP", ""),
        ("BTC-260327-60000-C", ""),
        ("X", ""),
        ("币安人生USDT", ""),
        ("BTC*", ""),
        ("*USD*", ""),
        ("BTCUSTD", "BTCUSDT"),
        ("BTCUSD", "BTCUSDT"),
        ("BTCUDST", "BTCUSDT"),
        ("BTCUSDTT", "BTCUSDT"),
        ("BTCUSTD_260327", "BTCUSDT_260327"),
        ("*USD", "*USDT"),
    ],
)
def test_a_symbol_ends_in_a_quote_asset(symbol: str, meant: str) -> None:
    assert symbol_meant(symbol) == meant


@pytest.mark.parametrize(
    ("asset", "meant"),
    [
        ("USDT", ""),
        ("ETC", ""),
        ("ADA", ""),
        ("USD*", ""),
        ("USTD", "USDT"),
        ("FUDSD", "FDUSD"),
        ("WIFF", "WIF1"),
    ],
)
def test_an_asset_is_one_that_is_known_or_none_of_its_slips(asset: str, meant: str) -> None:
    assert asset_meant(asset, ["WIF1"]) == meant
