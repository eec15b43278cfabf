from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.errors import ScenarioError
from monitor.sim.scenario import SCENARIOS, load_scenario, parse_scenario
from monitor.sim.story import AccountTable, PointTable, PositionTable, PriceTable
from monitor.sim.story_deeds import Deposit, TierTable
from monitor.sim.story_faults import Stall
from monitor.sim.story_values import At

EXAMPLE = """
seed = 7
start = "2026-01-02T03:00:00Z"
length = "30m"
mark_interval = "1s"
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "1000" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["10m", "57000"], ["20m", "53800"]]
noise = "0.02%"
[[bracket]]
symbol = "DOGEUSDT"
tiers = [[5000, 50, 0.01], [25000, 20, "0.025"]]
[[do]]
at = "subscribe+0.2s"
what = "deposit"
account = "main"
amount = "100"
[[fault]]
at = "8m"
for = "1m30s"
what = "stall"
where = "private"
"""


def test_a_whole_example() -> None:
    scenario = parse_scenario(EXAMPLE, "example.toml")
    assert scenario.start == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert (scenario.seed, scenario.length, scenario.mark_interval) == (7, 1_800_000, 1000)
    assert scenario.weight_limit == 2400
    assert scenario.account == (
        AccountTable(
            name="main",
            api_key="demo-key",
            api_secret="demo-secret",
            balances={"USDT": Decimal(1000)},
            position=(
                PositionTable(
                    symbol="BTCUSDT",
                    side="long",
                    quantity=Decimal("0.1"),
                    entry_price=Decimal(60000),
                    leverage=10,
                    margin_type="isolated",
                ),
            ),
        ),
    )
    assert scenario.price == (
        PriceTable.model_construct(
            symbol="BTCUSDT",
            points=(
                PointTable(0, Decimal(60000)),
                PointTable(600_000, Decimal(57000)),
                PointTable(1_200_000, Decimal(53800)),
            ),
            noise=Decimal("0.0002"),
        ),
    )
    assert scenario.bracket[0].tiers == (
        TierTable(Decimal(5000), 50, Decimal("0.01")),
        TierTable(Decimal(25000), 20, Decimal("0.025")),
    )
    assert scenario.do == (
        Deposit.model_construct(
            at=At(200, after_subscribe=True),
            account="main",
            what="deposit",
            amount=Decimal(100),
            asset="USDT",
        ),
    )
    assert scenario.fault == (
        Stall.model_construct(
            at=At(480_000), where="private", account=None, lasts=90_000, what="stall"
        ),
    )


def faults_of(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "x.toml")
    return str(caught.value)


def test_every_misshapen_table_is_told_at_once() -> None:
    text = """
lenght = "10m"
mark_interval = "1"
start = "2026"
[[account]]
name = "main"
api_key = "k"
balance = { USDT = "1000" }
[[account.position]]
symbol = "btc"
side = "lung"
quantity = "0"
entry_price = "abc"
leverage = 1.5
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["10m"]]
noise = "0.02"
[[do]]
at = "subscribe+0.2"
what = "deposit"
amout = "100"
[[do]]
at = "1s"
what = "depsit"
[[do]]
[[fault]]
at = "8m"
what = "stall"
where = "privat"
[[fault]]
at = "8m"
what = "explode"
"""
    kinds = (
        "deposit, withdrawal, auto_exchange, order, open_order, cancel_orders, leverage, "
        "margin_type, asset_mode, position_mode, funding, margin_transfer, margin_call, adl, "
        "liquidate, brackets, delist, force_order, expire_key, revoke_key, restore_key, "
        "server_shutdown, send, send_market"
    )
    faults = (
        "drop, stall, mute, refuse, lose, duplicate, reorder, delay, strange, garble, huge, late, "
        "empty, error, ban, skew, revert_stale"
    )
    btc = "[[account]] 1 (main), [[account.position]] 1 (btc)"
    unit = 'is not a duration; write a number and a unit, like "5m"'
    assert faults_of(text).splitlines() == [
        'x.toml: start: `2026` is not a time in UTC; write "2026-01-02T03:00:00Z"',
        "x.toml: length: is missing; add it",
        f"x.toml: mark_interval: `1` {unit}",
        f'x.toml: {btc}, symbol: `btc` is no symbol; write it like "BTCUSDT"',
        f"x.toml: {btc}, side: `lung` is not possible; write 'long' or 'short'",
        f"x.toml: {btc}, quantity: `0` is too small; it has to be more than 0",
        f'x.toml: {btc}, entry_price: `abc` is not a number; write it like "0.1"',
        f"x.toml: {btc}, leverage: `1.5` is not a whole number; write it like 10",
        "x.toml: [[account]] 1 (main): unknown key `balance`; did you mean `balances`?",
        (
            "x.toml: [[price]] 1 (BTCUSDT), points[2][2]: is missing; every entry needs all its "
            'parts, like ["5m", "60000"]'
        ),
        'x.toml: [[price]] 1 (BTCUSDT), noise: `0.02` is not a percentage; write "0.02%"',
        f"x.toml: [[do]] 1 (deposit), at: `0.2` {unit}",
        "x.toml: [[do]] 1 (deposit), amount: is missing; add it",
        "x.toml: [[do]] 1 (deposit): unknown key `amout`; did you mean `amount`?",
        (
            f"x.toml: [[do]] 2 (depsit), what: `depsit` is no kind of do; did you mean `deposit`? "
            f"kinds: {kinds}"
        ),
        f"x.toml: [[do]] 3, what: is missing; kinds: {kinds}",
        (
            "x.toml: [[fault]] 1 (stall), where: `privat` is not possible; write 'api', 'private' "
            "or 'market'"
        ),
        "x.toml: [[fault]] 1 (stall), for: is missing; add it",
        f"x.toml: [[fault]] 2 (explode), what: `explode` is no kind of fault; kinds: {faults}",
        "x.toml: unknown key `lenght`; did you mean `length`?",
    ]


def test_every_contradiction_is_told_at_once() -> None:
    text = """
length = "10m"
[[account]]
name = "main"
api_key = "k"
api_secret = "s"
balances = { USDT = "100" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 126
margin_type = "isolated"
[[account.position]]
symbol = "BTCUSDT"
side = "short"
quantity = "0.1"
entry_price = "60000"
leverage = 10
[[account]]
name = "main"
api_key = "k"
api_secret = "s"
hedge = true
multi_assets = true
balances = { USDT = "100" }
[[account.position]]
symbol = "FOO"
side = "long"
quantity = "0.1"
entry_price = "1"
margin_type = "isolated"
[[account.position]]
symbol = "FOO"
side = "long"
quantity = "0.1"
entry_price = "1"
margin_type = "isolated"
[[account]]
name = "other"
api_key = "k2"
api_secret = "s"
[[price]]
symbol = "BTCUSDT"
points = [["10m", "60000"], ["0s", "57000"]]
[[price]]
symbol = "BTCUSDT"
points = [["0s", "57000"]]
[[bracket]]
symbol = "BTCUSDT"
tiers = [[50000, 125, "0.01"], [500, 100, "0.02"]]
[[do]]
at = "1s"
what = "deposit"
amount = "1"
[[do]]
at = "1s"
what = "order"
account = "othr"
symbol = "DOGEUSDT"
side = "buy"
quantity = "1"
[[do]]
at = "1s"
what = "order"
account = "other"
symbol = "BTCUSDT"
side = "buy"
quantity = "1"
position_side = "LONG"
[[fault]]
at = "subscribe+1s"
for = "1s"
what = "stall"
"""
    one, two = "x.toml: [[account]] 1 (main)", "x.toml: [[account]] 2 (main)"
    assert faults_of(text).splitlines() == [
        "x.toml: [[price]] 2 (BTCUSDT): has a path already; keep one",
        "x.toml: [[price]] 1 (BTCUSDT), points: times have to rise; sort them",
        "x.toml: [[bracket]] 1 (BTCUSDT), tiers: caps have to rise; sort them",
        f"{two}, name: is taken; choose another",
        f"{two}, api_key: is another account's too; choose another",
        (f"{one}, [[account.position]] 1 (BTCUSDT), leverage: 126 is too much; BTCUSDT allows 125"),
        (
            f"{one}, [[account.position]] 2 (BTCUSDT): is held already; write "
            "`hedge = true`, or make it one position"
        ),
        (
            f"{one}, [[account.position]] 2 (BTCUSDT): leverage and margin_type "
            "are one per symbol; make them equal"
        ),
        (
            f"{two}, [[account.position]] 1 (FOO), symbol: no margin asset is "
            "known for it; it should end in USDT or USDC, or have a [[price]] with a margin_asset"
        ),
        (
            f"{two}, [[account.position]] 1 (FOO), margin_type: a multi_assets "
            "account cannot be isolated; write cross"
        ),
        (
            f"{two}, [[account.position]] 2 (FOO), symbol: no margin asset is "
            "known for it; it should end in USDT or USDC, or have a [[price]] with a margin_asset"
        ),
        (
            f"{two}, [[account.position]] 2 (FOO), margin_type: a multi_assets "
            "account cannot be isolated; write cross"
        ),
        (f"{two}, [[account.position]] 2 (FOO), side: is long already; make it one position"),
        "x.toml: [[do]] 1 (deposit), account: is missing; there are several: main, other",
        "x.toml: [[do]] 2 (order), account: `othr` is not in this file; did you mean `other`?",
        "x.toml: [[do]] 2 (order), symbol: DOGEUSDT has no price; add a [[price]] table for it",
        "x.toml: [[do]] 3 (order), position_side: the account is not in hedge mode; leave it out",
        "x.toml: [[fault]] 1 (stall), account: is missing; there are several: main, other",
    ]


def test_margin_that_is_not_there() -> None:
    text = EXAMPLE.replace('USDT = "1000"', 'USDT = "500"')
    assert faults_of(text) == (
        "x.toml: [[account]] 1 (main), balances: isolated positions need 100.00 USDT more than "
        "there is; raise the balance or the leverage"
    )


def test_hedge_mode_needs_a_side() -> None:
    order = '[[do]]\nat="1s"\nwhat="order"\nsymbol="BTCUSDT"\nside="buy"\nquantity="1"\n'
    text = EXAMPLE.replace('name = "main"', 'name = "main"\nhedge = true') + order
    assert faults_of(text) == (
        "x.toml: [[do]] 2 (order), position_side: the account is in hedge mode; write LONG or SHORT"
    )


def test_no_account_at_all() -> None:
    assert faults_of('length = "1m"') == "x.toml: account: is missing; add it"
    assert faults_of('length = "1m"\naccount = []') == (
        "x.toml: account: is missing; there has to be at least one"
    )


def test_a_file_that_is_no_toml() -> None:
    assert faults_of('length = "1m"\nseed =\n') == "x.toml:2:7: is not TOML: Invalid value"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(tmp_path / "none.toml")
    assert str(caught.value) == (
        f"{tmp_path}/none.toml: cannot be read: No such file or directory. Name another file."
    )
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# \xff\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(latin)
    assert str(caught.value) == f"{latin}: is not UTF-8 text. Save it as UTF-8."


def test_what_ships_is_sound() -> None:
    found = sorted(path.name for path in SCENARIOS.glob("*.toml"))
    assert found == ["calm.toml", "crash.toml"]
    for name in found:
        load_scenario(SCENARIOS / name)
