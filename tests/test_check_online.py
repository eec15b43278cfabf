"""`marginwatch check --online`: what it says of good accounts, and of each way to fail."""

import json
import logging
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import trio
import trustme
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trio.testing import MockClock

from monitor.cli import main
from monitor.config import load_config
from monitor.core.events import Now
from monitor.oneshot import Weight, check_accounts
from monitor.sim.exchange import Exchange
from monitor.sim.scenario import parse_scenario
from tests.exchanges import answering, nobody, simulated, under_tls

KEY = "key-that-nobody-may-see"
SECRET = "secret-that-nobody-may-see"

SCENARIO = f"""
length = "1h"
mark_interval = "1s"
[[account]]
name = "main"
api_key = "{KEY}"
api_secret = "{SECRET}"
balances = {{ USDT = "1000" }}
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
leverage = 10
margin_type = "isolated"
[[account]]
name = "empty"
api_key = "{KEY}-2"
api_secret = "{SECRET}-2"
balances = {{ USDT = "1000" }}
permissions = {{}}
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"]]
"""
RULES = """
[[rule]]
name = "near"
warning = "liquidation_distance < 20%"
[[rule]]
name = "blind"
warning = "stale_for > 0s"
"""
RULE_LINES = """\
near: positions of {0}
    warning   liquidation_distance < 20%
    told to phone
blind: {0}
    warning   stale_for > 0s
    told to phone
2 rules, 2 levels: fine
"""
ED25519 = (
    Ed25519PrivateKey.generate()
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    .decode()
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setenv("SECRET", SECRET)
    (tmp_path / "r.toml").write_text(RULES)
    return tmp_path


def account(
    port: int, name: str = "main", *, suffix: str = "", scheme: str = "", more: str = ""
) -> str:
    """Word an account at a port of this machine."""
    here = f"{scheme}://127.0.0.1:{port}"
    ends = {"ws_api": "ws" + here + "/ws-fapi/v1", "streams": "ws" + here, "rest": "http" + here}
    ends["sapi"] = ends["rest"]
    table = ", ".join(f'{key} = "{url}"' for key, url in ends.items())
    return (
        f'[[account]]\nname = "{name}"\napi_key = "{KEY}{suffix}"\nendpoints = {{ {table} }}\n'
        + (more or f'api_secret = "{SECRET}{suffix}"\n')
    )


def configure(*accounts: str) -> Path:
    path = Path("config.toml")
    channel = '[[channel]]\nname = "phone"\nurl = "json://127.0.0.1:9/x"\n'
    path.write_text(
        'rules = ["r.toml"]\ntimezone = "UTC"\nheartbeat = { url = "http://127.0.0.1:9/b" }\n'
        + "".join(accounts)
        + channel
    )
    path.chmod(0o600)
    return path


def check(*args: str) -> Result:
    """Run the command; whatever it says, no secret is in it and it does not take long."""
    begun = time.monotonic()
    result = CliRunner().invoke(main, ["check", "--online", *args], prog_name="marginwatch")
    assert time.monotonic() - begun < 15
    assert KEY not in result.output
    assert SECRET not in result.output
    return result


def steady(text: str) -> str:
    """Put the same words for what differs from run to run: the clock, and the minute's weight."""
    text = re.sub(r"clock [+-]\d{1,3} ms", "clock ±0 ms", text)
    return re.sub(r"weight \d+ of", "weight 0 of", text)


def of(names: str) -> str:
    return RULE_LINES.format(names)


def test_accounts_that_can_be_watched() -> None:
    with simulated(SCENARIO) as port:
        configure(account(port), account(port, "empty", suffix="-2"))
        result = check()
    assert steady(result.stdout) == of("main, empty") + (
        "main: mainnet, clock ±0 ms\n"
        "    1 position, nearest BTCUSDT long 9.6 % from liquidation\n"
        "    permissions to read, from known addresses alone\n"
        "empty: mainnet, clock ±0 ms\n"
        "    no positions\n"
        "    permissions to read, from known addresses alone\n"
        "2 accounts, 2 can be watched, weight 0 of 2400 a minute: fine\n"
    )
    assert result.stderr == ""
    assert result.exit_code == 0


ALL = "enableWithdrawals enableInternalTransfer permitsUniversalTransfer enableFutures "
ALL += "enableSpotAndMarginTrading enableMargin enableVanillaOptions enableFixApiTrade"
GREEDY = ", ".join([*(f"{name} = true" for name in ALL.split()), "ipRestrict = false"])


def test_a_key_that_may_do_too_much_and_a_clock_that_is_wrong_are_warned_of() -> None:
    scenario = SCENARIO.replace("permissions = {}", f"permissions = {{ {GREEDY} }}")
    with simulated(scenario, ahead=2_600) as port:
        configure(account(port, "empty", suffix="-2"))
        result = check()
        strict = check("--strict")
    assert result.stderr.splitlines() == [
        f'warning: account "empty": {warning}'
        for warning in (
            (
                "this machine's clock is 2.6 s behind the exchange's: let NTP set it. Requests "
                "make up for it, the times in messages do not"
            ),
            "this key can withdraw: reading is all it needs",
            "this key can transfer funds to other accounts: reading is all it needs",
            "this key can trade futures: reading is all it needs",
            "this key can trade spot or margin: reading is all it needs",
            "this key can trade options: reading is all it needs",
            "this key can trade by FIX: reading is all it needs",
            (
                "this key works from any address: restrict it to this machine's, a stolen one is "
                "then of no use, and it does not expire by itself"
            ),
        )
    ]
    assert steady(result.stdout).splitlines()[-2:] == [
        "    permissions too many",
        "1 account, 1 can be watched, weight 0 of 2400 a minute: 8 warnings",
    ]
    assert (result.exit_code, strict.exit_code) == (0, 1)


def test_a_portfolio_margin_account_is_refused() -> None:
    greedy = "permissions = { enablePortfolioMarginTrading = true }"
    with simulated(SCENARIO.replace("permissions = {}", greedy)) as port:
        configure(account(port, "empty", suffix="-2"))
        result = check()
    assert steady(result.stdout).splitlines()[7:] == [
        "empty: mainnet, clock ±0 ms, cannot be watched",
        "    no positions",
        "    permissions to read, from known addresses alone",
        (
            "    empty: its key is for portfolio margin, where the exchange liquidates by other "
            "rules than those known here: the numbers would be wrong, so it is not watched. Use an "
            "account with ordinary USDⓈ-M futures, or a key without that permission if the account "
            "has no portfolio margin."
        ),
        "1 account, 0 can be watched, weight 0 of 2400 a minute: 1 problem",
    ]
    assert result.exit_code == 1


def test_json_holds_everything_and_one_bad_account_leaves_the_others_alone() -> None:
    with simulated(SCENARIO) as port:
        configure(account(port), account(port, "swing", suffix="-testnet"))
        result = check("--json")
    document = json.loads(result.stdout)
    good, bad = document["accounts"]
    assert abs(good.pop("clock_offset")) < 0.5
    assert abs(bad.pop("clock_offset")) < 0.5
    distance = good["nearest"].pop("liquidation_distance")
    assert distance.startswith("0.096385542168")
    assert good == {
        "name": "main",
        "network": "mainnet",
        "can_be_watched": True,
        "positions": 1,
        "nearest": {"symbol": "BTCUSDT", "position_side": "BOTH", "side": "long"},
        "permissions": "to read, from known addresses alone",
        "warnings": [],
        "faults": [],
    }
    assert bad == {
        "name": "swing",
        "network": "mainnet",
        "can_be_watched": False,
        "positions": None,
        "nearest": None,
        "permissions": "not known",
        "warnings": [],
        "faults": [UNKNOWN],
    }
    assert document["warnings"] == []
    assert document["weight"]["limit"] == 2400
    assert [rule["name"] for rule in document["rules"]] == ["near", "blind"]
    assert result.exit_code == 1


# ---------------------------------------------------------------- each way to fail


@contextmanager
def untrusted() -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with under_tls(context) as port:
        yield port


PROXY = (
    "Something between here and the exchange answers in its place, a proxy or the sign-in page of "
    "a network: let this host through, or use another network."
)
Server = Callable[[], AbstractContextManager[int]]
BAD_SERVERS = [
    pytest.param(
        lambda: answering(200, "<html>Sign in</html>"),
        "",
        f"a web page (HTTP 200) for an answer. {PROXY}",
        id="proxy page",
    ),
    pytest.param(
        lambda: answering(302, ""),
        "",
        f"a web page (HTTP 302) for an answer. {PROXY}",
        id="sent elsewhere",
    ),
    pytest.param(
        lambda: answering(403, "<html>Forbidden</html>"),
        "",
        "refused with HTTP 403. The exchange's firewall refuses this address, for its requests or "
        "for its region; wait some minutes, and leave a VPN or a data centre that others have "
        "abused.",
        id="403",
    ),
    pytest.param(
        lambda: answering(451, "Service unavailable from a restricted location", kind="text/plain"),
        "",
        "refused with HTTP 451. The exchange does not serve the region that this address is in: "
        "run this on a machine from where you may use it.",
        id="451",
    ),
    pytest.param(
        lambda: answering(404, "<html>Not found</html>"),
        "",
        "refused with HTTP 404. There is nothing at that address: check the host and the path in "
        "`endpoints`.",
        id="wrong endpoint",
    ),
    pytest.param(
        lambda: answering(407, ""),
        "",
        "refused with HTTP 407. A proxy wants to know who asks: let this host through without.",
        id="proxy that wants a password",
    ),
    pytest.param(
        lambda: answering(503, "<html>Maintenance</html>"),
        "",
        "refused with HTTP 503. The exchange, or a proxy before it, is down: try again in some "
        "minutes.",
        id="maintenance",
    ),
    pytest.param(
        nobody,
        "",
        "Error connecting to ('127.0.0.1', {port}): Connection refused. Nothing listens there, or "
        "a firewall says no: check `endpoints` and the firewall.",
        id="closed port",
    ),
    pytest.param(
        untrusted,
        "s",
        "its certificate is not trusted: unable to get local issuer certificate. A proxy that "
        "reads along may have put its own in place of the exchange's (let this host through, or "
        "add the proxy's authority to this machine's), this machine's clock may be wrong, or "
        "`endpoints` may name another host.",
        id="untrusted certificate",
    ),
    pytest.param(
        lambda: answering(200, ""),
        "s",
        "TLS failed: WRONG_VERSION_NUMBER. What answers there does not speak TLS as the exchange "
        "does: check the scheme and the port in `endpoints`; else a proxy is in between.",
        id="no TLS",
    ),
]


@pytest.mark.parametrize(("server", "scheme", "text"), BAD_SERVERS)
def test_a_server_that_is_not_the_exchange(server: Server, scheme: str, text: str) -> None:
    with server() as port:
        configure(account(port, scheme=scheme))
        result = check()
    assert result.stdout == of("main") + (
        "main: mainnet, cannot be watched\n"
        f"    main API (127.0.0.1): {text.format(port=port)}\n"
        "1 account, 0 can be watched, weight 0 of 2400 a minute: 1 problem\n"
    )
    assert result.stderr == ""
    assert result.exit_code == 1


def test_a_name_without_an_address() -> None:
    ends = ", ".join(
        f'{key} = "{scheme}://nonexistent.invalid"'
        for key, scheme in {"ws_api": "wss", "streams": "wss", "rest": "https"}.items()
    )
    configure(
        '[[account]]\nname = "main"\napi_key = "${KEY}"\napi_secret = "${SECRET}"\n'
        f"endpoints = {{ {ends} }}\n"
    )
    result = check()
    told = result.stdout.splitlines()[8]
    # Why exactly is the resolver's to say, and differs from machine to machine.
    begin, _, rest = told.partition(": its name has no address: ")
    assert begin == "    main API (nonexistent.invalid)"
    assert rest.partition(". ")[2] == (
        "Look for a typing error in `endpoints`; else this machine's DNS does not work."
    )
    assert result.exit_code == 1


SIGNATURE = (
    "v2/account.position: the exchange refused with -1022 (status 400): Signature for this request "
    "is not valid. The secret is not this API key's, or the key is of another kind: an HMAC key "
    "goes with `api_secret`, an Ed25519 or RSA key with `private_key`."
)
UNKNOWN = (
    "v2/account.position: the exchange refused with -2015 (status 401): Invalid API-key, IP, or "
    "permissions for action. Check that the key exists on this `network` (testnet and mainnet have "
    "keys of their own), that it may read, and that this machine's address is on its list. A key "
    "made before the futures account was opened does not work: make a new one."
)
BAD_KEYS = [
    pytest.param("", f'private_key = """{ED25519}"""\n', SIGNATURE, id="wrong key type"),
    pytest.param("", 'api_secret = "of-another-key"\n', SIGNATURE, id="wrong secret"),
    pytest.param("-testnet", f'api_secret = "{SECRET}"\n', UNKNOWN, id="testnet key on mainnet"),
]


@pytest.mark.parametrize(("suffix", "more", "text"), BAD_KEYS)
def test_a_key_that_the_exchange_does_not_take(suffix: str, more: str, text: str) -> None:
    with simulated(SCENARIO) as port:
        configure(account(port, suffix=suffix, more=more))
        result = check()
    *lines, last = steady(result.stdout).splitlines()
    assert lines[7:] == [
        "main: mainnet, clock ±0 ms, cannot be watched",
        "    permissions not known",
        f"    {text}",
    ]
    assert last == "1 account, 0 can be watched, weight 0 of 2400 a minute: 1 problem"
    assert result.stderr == ""
    assert result.exit_code == 1


def test_faults_of_the_configuration_come_first_and_nobody_is_asked() -> None:
    configure('[[account]]\nname = "main"\napi_key = "${KEY}"\napi_secret = "${MISSING}"\n')
    result = check()
    assert "MISSING" in result.stderr
    assert result.stdout == ""
    assert result.exit_code == 2


def test_online_needs_a_configuration() -> None:
    result = check("--rules", "r.toml")
    assert result.stderr.splitlines()[-1] == (
        "Error: --online needs a configuration: name one with -c"
    )
    assert result.exit_code == 2


def test_the_real_process_tells_the_same() -> None:
    with answering(451, "no") as port:
        path = configure(account(port))
        command = [sys.executable, "-m", "monitor", "check", "--online", "-c", str(path)]
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)
    assert process.stdout.splitlines()[8].startswith(
        "    main API (127.0.0.1): refused with HTTP 451. The exchange does not serve the region"
    )
    assert (process.stderr, process.returncode) == ("", 1)


def test_the_service_tells_the_cause_too_and_goes_on_trying() -> None:
    with answering(451, "no") as port:
        path = configure(account(port))
        command = [sys.executable, "-m", "monitor", "run", "--dry-run", "-c", str(path)]
        begun = time.monotonic()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "HTTP 451" in line and "API" in line)
            assert time.monotonic() - begun < 15
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
    assert re.fullmatch(
        r"\S+ \S+ warning main API \(127\.0\.0\.1\): refused with HTTP 451; trying again in "
        r"30\d\.\d s\. The exchange does not serve the region that this address is in: run this on "
        r"a machine from where you may use it\.\n",
        said,
    )
    assert KEY not in said + rest
    assert process.returncode == 0


# ---------------------------------------------------------------- in virtual time

START = 1767225600000


def now() -> Now:
    ticks = round(trio.current_time() * 1000)
    return Now(ticks, START + ticks)


async def test_who_does_not_answer_is_given_up_in_time_and_said_to_be_waited_for(
    autojump_clock: MockClock,
) -> None:
    exchange = Exchange(parse_scenario(SCENARIO, "test"))
    silent: list[trio.abc.Stream] = []

    async def dial(url: str) -> trio.abc.Stream:
        if "silent" not in url:
            return await exchange.dial(url)
        ours, theirs = trio.testing.memory_stream_pair()
        silent.append(theirs)
        return ours

    config = load_config(
        configure(account(1), account(1, "mute")), environ={"HOME": str(Path.cwd())}
    )
    ends = {"ws_api": "ws://silent.test/x"}
    mute = config.accounts[1]
    mute = mute.model_copy(update={"endpoints": mute.endpoints.model_copy(update=ends)})
    config = config.model_copy(update={"accounts": (config.accounts[0], mute)})
    told: list[tuple[float, str]] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        checked, weight = await check_accounts(
            config,
            dial=dial,
            now=now,
            tell=lambda text: told.append((trio.current_time(), text)),
            log=logging.getLogger("test.check"),
        )
        nursery.cancel_scope.cancel()
    assert [(one.name, one.faults) for one in checked] == [
        ("main", ()),
        (
            "mute",
            (
                (
                    "mute API (silent.test): timed out after 10 s while connecting. Nothing "
                    "answers: check this machine's network, and whether a firewall or a proxy "
                    "holds the connection back."
                ),
            ),
        ),
    ]
    assert weight == Weight(37, 2400)
    assert trio.current_time() == pytest.approx(10)
    assert told == [(3.0, "waiting for mute …"), (8.0, "waiting for mute …")]


async def test_more_accounts_than_a_minute_has_weight_for_wait_and_all_are_seen(
    autojump_clock: MockClock,
) -> None:
    """32 looks use up our half of the limit; the rest wait, and that is not held against them."""
    names = [f"a{number}" for number in range(40)]
    tables = (
        f'[[account]]\nname = "{name}"\napi_key = "{KEY}-{name}"\napi_secret = "{SECRET}-{name}"\n'
        'balances = { USDT = "1000" }\n'
        for name in names
    )
    scenario = 'length = "1h"\nmark_interval = "1s"\n' + "".join(tables)
    exchange = Exchange(parse_scenario(scenario, "test"))
    accounts = (account(1, name, suffix=f"-{name}") for name in names)
    config = load_config(configure(*accounts), environ={"HOME": str(Path.cwd())})
    told: list[tuple[float, str]] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.run)
        checked, weight = await check_accounts(
            config,
            dial=exchange.dial,
            now=now,
            tell=lambda text: told.append((trio.current_time(), text)),
            log=logging.getLogger("test.check"),
        )
        nursery.cancel_scope.cancel()
    assert [(one.name, one.held, one.faults) for one in checked] == [
        (name, "no positions", ()) for name in names
    ]
    assert trio.current_time() == pytest.approx(60, abs=1)
    assert told[0][0] == 3
    assert re.fullmatch(r"waiting for (a\d+, ){4}a\d+ and 3 more …", told[0][1])
    assert weight.used < 1200
