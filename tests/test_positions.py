"""`marginwatch positions` and `whatif`, against the simulated exchange."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.binance.glance import Seen
from monitor.binance.once import Reference
from monitor.cli import main
from monitor.config import load_config
from monitor.core.formats import Style, in_cell
from monitor.core.notices import Grade, Reading
from monitor.oneshot import _looked
from tests.core.worlds import at, poll, position
from tests.exchanges import answering, nobody, simulated
from tests.processes import simulator

KEY = "key-that-nobody-may-see"
SECRET = "secret-that-nobody-may-see"

SCENARIO = f"""
length = "1h"
mark_interval = "1h"
[[account]]
name = "main"
api_key = "{KEY}"
api_secret = "{SECRET}"
balances = {{ USDT = "3000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.2"
entry_price = "62000"
leverage = 20
[[account.position]]
symbol = "SOLUSDT"
side = "short"
quantity = "20"
entry_price = "150"
leverage = 10
[[account.position]]
symbol = "ETHUSDT"
side = "long"
quantity = "2"
entry_price = "3000"
leverage = 25
margin_type = "isolated"
[[account]]
name = "empty"
api_key = "{KEY}-2"
api_secret = "{SECRET}-2"
balances = {{ USDT = "1000" }}
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"]]
[[price]]
symbol = "ETHUSDT"
points = [["0s", "2980"]]
[[price]]
symbol = "SOLUSDT"
points = [["0s", "151"]]
"""
RULES = """
[[rule]]
name = "near"
warning = "liquidation_distance < 10%"
critical = "liquidation_distance < 2%"
for = "30s"
hysteresis = "10%"
[[rule]]
name = "ratio"
warning = "margin_ratio > 20%"
[[rule]]
name = "adl"
info = "adl >= 3"
symbols = ["SOL*"]
[[rule]]
name = "blind"
warning = "stale_for > 0s"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "r.toml").write_text(RULES)
    return tmp_path


@pytest.fixture(scope="module")
def exchange() -> Iterator[int]:
    with simulated(SCENARIO) as port:
        yield port


def account(port: int, name: str = "main", suffix: str = "", **ends: str) -> str:
    """Word an account at a port of this machine, without channels: none are needed."""
    here = f"127.0.0.1:{port}"
    usual = {
        "ws_api": f"ws://{here}/ws-fapi/v1",
        "streams": f"ws://{here}",
        "rest": f"http://{here}",
        "sapi": f"http://{here}",
    }
    table = ", ".join(f'{key} = "{url}"' for key, url in (usual | ends).items())
    return (
        f'[[account]]\nname = "{name}"\napi_key = "{KEY}{suffix}"\n'
        f'api_secret = "{SECRET}{suffix}"\nendpoints = {{ {table} }}\n'
    )


def run(*args: str, accounts: str = "") -> Result:
    """Run a command; whatever it says, no secret is in it."""
    if accounts:
        path = Path("config.toml")
        path.write_text(f'rules = ["r.toml"]\ntimezone = "UTC"\n{accounts}')
        path.chmod(0o600)
    result = CliRunner().invoke(main, args, prog_name="marginwatch")
    assert KEY not in result.output
    assert SECRET not in result.output
    return result


def shown() -> dict[str, str]:
    """Read what is to be printed, by name."""
    parts = re.split(r"^=== (.+)\n", SHOWN.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SHOWN = Path(__file__).parent / "shown_positions.txt"
TABLE = shown()["positions"]


def test_positions(exchange: int) -> None:
    both = account(exchange) + account(exchange, "empty", "-2")
    result = run("positions", accounts=both)
    assert result.stdout == f"{TABLE}\nempty: no positions\n"
    assert result.stderr == ""
    assert result.exit_code == 0


def test_positions_with_other_rules_and_another_target(exchange: int) -> None:
    Path("mine.toml").write_text('[[rule]]\nname = "mine"\ninfo = "unrealized_pnl < -500"\n')
    result = run("positions", "--rules", "mine.toml", "--target", "20%", accounts=account(exchange))
    assert result.stdout.split("\n\n", 1)[1] == (
        "BTCUSDT long\n"
        "  info  mine  at BTCUSDT ≤ 59,499.9 (-0.8 %)\n"
        "  to be 20.0 % from liquidation: add 113.51 USDT to the pool, or close 0.01 "
        "(reduce-only, at the mark, fees left out)\n"
        "\n"
        "ETHUSDT long\n"
        "  info  mine  at ETHUSDT ≤ 2,749.99 (-7.7 %)\n"
        "  to be 20.0 % from liquidation: add 1,011.08 USDT to the position, or close it: closing "
        "a part of it does not get there\n"
        "\n"
        "SOLUSDT short\n"
        "  info  mine  at SOLUSDT ≥ 175.01 (+15.9 %)\n"
    )


def test_a_side_of_which_nothing_can_be_said_is_named(exchange: int) -> None:
    condition = "mark_price < 50000 or mark_price > 70000 and drop(mark_price, 1h) > 5%"
    Path("mine.toml").write_text(
        f'[[rule]]\nname = "mine"\ninfo = "{condition}"\nsymbols = ["BTC*"]\n'
    )
    result = run("positions", "--rules", "mine.toml", accounts=account(exchange))
    assert result.stdout.split("\n\n", 1)[1].startswith(
        "BTCUSDT long\n  info  mine  at BTCUSDT ≤ 49,999.9 (-16.7 %); unknown: BTCUSDT above\n"
    )


def keys(document: object) -> set[str]:
    """Collect every key, but for symbols."""
    if isinstance(document, list):
        return set().union(*map(keys, document))
    if not isinstance(document, dict):
        return set()
    found = {key for key in document if key != key.upper()}
    return found.union(*map(keys, document.values()))


def documented() -> set[str]:
    page = Path(__file__).parent.parent / "docs" / "reference" / "json.md"
    return set(re.findall(r"`(\w+)`", page.read_text()))


def test_positions_as_json(exchange: int) -> None:
    document = json.loads(run("positions", "--json", accounts=account(exchange)).stdout)
    assert keys(document) <= documented()
    assert document["target"] == "0.1"
    (main_,) = document["accounts"]
    btc, eth, sol = main_["positions"]
    assert (btc["side"], btc["leverage"], btc["liquidation_price"]) == (
        "long",
        "20",
        "48569.77911647",
    )
    assert btc["remedy"] is None
    assert eth["triggers"] == [
        {
            "rule": "near",
            "severity": "critical",
            "on": False,
            "symbol": "ETHUSDT",
            "mark": "2980.00000000",
            "below": "2950.57",
            "above": "never",
            "below_change": "-0.009876",
            "above_change": None,
        },
        {
            "rule": "near",
            "severity": "warning",
            "on": True,
            "symbol": "ETHUSDT",
            "mark": "2980.00000000",
            "below": "never",
            "above": "3248.96",
            "below_change": None,
            "above_change": "0.090255",
        },
    ]
    assert eth["remedy"] | {"margin_distance": ""} == {
        "margin": "417.46",
        "asset": "USDT",
        "to": "position",
        "margin_distance": "",
        "size": None,
        "size_distance": None,
    }
    assert sol["triggers"][-1]["below"] == "not by price"
    (pool,) = main_["pools"]
    assert [one["symbol"] for one in pool["triggers"]] == ["BTCUSDT", "SOLUSDT", "ETHUSDT"]


def test_whatif(exchange: int) -> None:
    result = run(
        "whatif", "--shock", "BTCUSDT=-15%", "--shock", "ETH*=-5%", accounts=account(exchange)
    )
    assert result.stdout == shown()["whatif"]
    assert result.stderr == ""
    assert result.exit_code == 0


def test_whatif_a_pool_is_liquidated(exchange: int) -> None:
    both = account(exchange) + account(exchange, "empty", "-2")
    result = run("whatif", "--shock", "BTCUSDT=-20%", accounts=both)
    assert result.stdout == f"{shown()['whatif, a fifth']}\nempty: no positions\n"


def test_whatif_as_json(exchange: int) -> None:
    args = ("whatif", "--json", "--shock", "ETHUSDT=-5%")
    document = json.loads(run(*args, accounts=account(exchange)).stdout)
    assert keys(document) <= documented()
    assert document["shocks"] == {"ETHUSDT": "-0.05"}
    (main_,) = document["accounts"]
    assert main_["marks"]["ETHUSDT"] == {"before": "2980.00000000", "after": "2831.00000000"}
    assert main_["positions"][1]["position_margin_ratio"]["after"] == "infinite"
    (gone,) = main_["liquidated"]
    assert [one["symbol"] for one in gone["positions"]] == ["ETHUSDT"]
    assert gone["asset"] is None
    assert gone["lost"] == "200.00000000"
    (pool,) = main_["pools"]
    # Its 240 are gone, and its profit or loss with it: 3000 − 240 − 400 − 20.
    assert pool["equity"] == {"before": "2540.000000000", "after": "2340.000000000"}
    assert main_["alerts"] == [
        {
            "symbol": "ETHUSDT",
            "position_side": "BOTH",
            "side": "long",
            "asset": None,
            "rule": "near",
            "before": "warning",
            "after": "critical",
            "doubt": False,
        }
    ]


def test_a_ratio_without_a_balance_is_never_none_in_a_table() -> None:
    endless = Decimal("Infinity")
    cells = [
        in_cell("margin_ratio", Reading(Grade.FRESH, endless, 400), Style()),
        in_cell("position_margin_ratio", Reading(Grade.AGED, endless, 48_000), Style()),
        in_cell("margin_ratio", Reading(Grade.UNKNOWN, endless, 700_000), Style()),
        in_cell("margin_ratio", Reading(Grade.ABSENT), Style()),
        in_cell("liquidation_distance", Reading(Grade.FRESH, endless, 400), Style()),
    ]
    assert cells == [
        "> 100 %",
        "> 100 % (48 s ago)",
        "unknown (> 100 % 12 min ago)",
        "none",
        "none",
    ]


# ---------------------------------------------------------------- what goes wrong


def test_an_account_that_cannot_be_read(exchange: int) -> None:
    with nobody() as port:
        both = account(exchange) + account(port, "gone").replace(
            f'streams = "ws://127.0.0.1:{port}"', f'streams = "ws://127.0.0.1:{exchange}"'
        )
        table = run("positions", accounts=both)
        document = json.loads(run("positions", "--json").stdout)
        shocked = run("whatif", "--shock", "*=-1%", "--json")
    assert table.stdout == f"{TABLE}\ngone: could not be read\n"
    assert re.fullmatch(r"gone API \(127\.0\.0\.1\): .* Nothing listens there.*\n", table.stderr)
    assert table.exit_code == 1
    gone: dict[str, Any] = document["accounts"][1]
    assert gone["positions"] is None
    assert gone["pools"] is None
    assert gone["faults"] == [table.stderr.strip()]
    assert shocked.exit_code == 1
    assert json.loads(shocked.stdout)["accounts"][1]["alerts"] is None


def test_what_the_figures_lack_is_said(exchange: int) -> None:
    """Without REST there are no tiers and no ticks: rates are as polled, digits the mark's."""
    with answering(503, "down") as port:
        result = run("positions", accounts=account(exchange, rest=f"http://127.0.0.1:{port}"))
    refused = "GET {} was refused with HTTP 503"
    assert result.stderr.splitlines() == [
        "the steps of prices are not known, digits are those of the mark: main (127.0.0.1): "
        + refused.format("/fapi/v1/exchangeInfo"),
        "main: maintenance tiers are not known, rates are as polled: main (127.0.0.1): "
        + refused.format("/fapi/v1/leverageBracket"),
    ]
    assert "  warning   near  at BTCUSDT ≤ 53,966 (-10.1 %)\n" in result.stdout
    assert result.exit_code == 0


def test_portfolio_margin_cannot_be_computed() -> None:
    scenario = SCENARIO.replace(
        f'api_secret = "{SECRET}-2"\n',
        f'api_secret = "{SECRET}-2"\npermissions = {{ enablePortfolioMarginTrading = true }}\n',
    )
    with simulated(scenario) as port:
        result = run("positions", accounts=account(port, "empty", "-2"))
    assert result.stdout == "empty: could not be read\n"
    assert "portfolio margin" in result.stderr
    assert result.exit_code == 1


def test_what_does_not_fit_together_is_not_computed_with() -> None:
    """Maintenance margin above all money, and no liquidation price: this is portfolio margin."""
    row = position(liq="0", mark="10000")
    seen = Seen(offset=0, poll=poll(1, row, wallet="10"))
    path = Path("config.toml")
    path.write_text(f'rules = ["r.toml"]\n{account(9)}')
    path.chmod(0o600)
    config = load_config(path, need_channels=False)
    looked = _looked(config.accounts[0], seen, Reference(), config, at(2))
    assert looked.account is None
    assert looked.faults == (
        (
            "main: what the exchange answered is not how an account of this kind looks: "
            "maintenance margin above the margin balance and no liquidation price. If it is in "
            "portfolio margin, it cannot be watched here; otherwise ask again in a moment."
        ),
    )


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        (
            ["positions", "--target", "10"],
            "--target 10: is no percentage below 100 (write 10%)",
        ),
        (["positions", "--target", "0%"], "--target 0%: has to be above 0%"),
        (
            ["positions", "--target", "100%"],
            "--target 100%: is no percentage below 100 (write 10%)",
        ),
        (
            ["whatif", "--shock", "BTCUSDT=-10"],
            (
                "--shock BTCUSDT=-10: is no shock (write a symbol or a glob, and how far it moves: "
                "BTCUSDT=-10%)"
            ),
        ),
        (
            ["whatif", "--shock", "DOGE*=-10%"],
            (
                "--shock DOGE*=-10%: no position held matches DOGE*\n"
                "held are BTCUSDT, ETHUSDT, SOLUSDT"
            ),
        ),
    ],
)
def test_what_has_to_be_written_otherwise(exchange: int, args: list[str], fault: str) -> None:
    result = run(*args, accounts=account(exchange))
    assert result.stderr == f"{fault}\n"
    assert result.stdout == ""
    assert result.exit_code == 2


def test_without_positions_there_is_nothing_to_shock(exchange: int) -> None:
    result = run("whatif", "--shock", "*=-10%", accounts=account(exchange, "empty", "-2"))
    assert result.stdout == "empty: no positions\n"
    assert result.exit_code == 0


def test_rules_with_faults(exchange: int) -> None:
    Path("bad.toml").write_text('[[rule]]\nname = "bad"\ninfo = "margin_rom < 5%"\n')
    result = run("positions", "--rules", "bad.toml", accounts=account(exchange))
    assert "no metric is called `margin_rom`" in result.stderr
    assert result.exit_code == 2


# ---------------------------------------------------------------- as processes


def test_beside_simulate(folder: Path) -> None:
    (folder / "story.toml").write_text(SCENARIO)
    with simulator(folder / "story.toml") as tables:
        config = folder / "config.toml"
        config.write_text(f'rules = ["r.toml"]\n{tables}')
        config.chmod(0o600)
        command = [sys.executable, "-m", "monitor"]
        one, other = (
            subprocess.run(
                [*command, *args, "-c", str(config)],
                check=False,
                capture_output=True,
                text=True,
                timeout=30,
                cwd=Path(__file__).parent.parent,
            )
            for args in (["positions"], ["whatif", "--shock", "*=-1%"])
        )
    assert one.stdout.startswith(TABLE)
    assert one.stderr == ""
    assert one.returncode == 0
    assert "nothing is liquidated" in other.stdout
    assert other.returncode == 0
