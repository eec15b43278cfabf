"""config.toml: what it becomes, what is refused, and that no secret gets out."""

import json
import os
import traceback
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitor.config import (
    Config,
    Listen,
    Outline,
    find_config,
    load_config,
    outline,
    redactor,
    secrets,
    shipped,
)
from monitor.config.faults import keys_of
from monitor.config.models import Account, Channel, Endpoints, Heartbeat, Http, Log
from monitor.config.private_key import secret_lines
from monitor.core.rules import Globs, Severity
from monitor.errors import ConfigError
from tests.signing_keys import encrypted_key

ENVIRON = {
    "KEY": "key-4711-abcdef",
    "SECRET": "secret-4711-abcdef",
    "TOKEN": "token-4711-abcdef",
    "HOME": "/home/trader",
    "TZ": "Europe/Vienna",
}
ACCOUNT = '[[account]]\nname = "main"\napi_key = "${KEY}"\napi_secret = "${SECRET}"\n'
CHANNEL = '[[channel]]\nname = "phone"\nurl = "tgram://${TOKEN}/42"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, mode: int = 0o600, name: str = "config.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    path.chmod(mode)
    return path


def load(text: str, mode: int = 0o600, **more: Any) -> Config:
    return load_config(write(text, mode), **{"environ": ENVIRON, **more})


def refused(text: str, mode: int = 0o600, **more: Any) -> str:
    """Load what has to be refused; neither the text nor the traceback may hold a secret."""
    with pytest.raises(ConfigError) as caught:
        load(text, mode, **more)
    whole = "".join(traceback.format_exception(caught.value))
    assert "4711" not in whole
    assert not [line for line in secret_lines(text) if line in whole]
    assert "ValidationError" not in whole
    return str(caught.value)


def test_a_short_configuration_has_the_defaults(folder: Path) -> None:
    config = load(ACCOUNT + CHANNEL)
    assert config.rules == ("rules/*.toml",)
    assert config.data_dir == Path("/home/trader/.local/share/marginwatch")
    assert (config.poll_interval, config.stale_after) == (10_000, 30_000)
    assert (config.repeat, config.give_up_after) == (3_600_000, 86_400_000)
    assert config.max_weight_share == 0.5
    assert config.log == Log(level="info", format="text")
    assert config.heartbeat is None
    assert config.http is None
    (account,) = config.accounts
    assert (account.name, account.venue, account.network) == ("main", "binance-usdm", "mainnet")
    assert account.api_key.get_secret_value() == ENVIRON["KEY"]
    assert account.endpoints == Endpoints(
        ws_api="wss://ws-fapi.binance.com/ws-fapi/v1",
        streams="wss://fstream.binance.com",
        rest="https://fapi.binance.com",
        sapi="https://api.binance.com",
    )
    (channel,) = config.channels
    assert channel.url.get_secret_value() == "tgram://token-4711-abcdef/42"
    assert (channel.min_severity, channel.accounts, channel.rules) == (
        Severity.INFO,
        Globs(),
        Globs(),
    )
    assert (channel.group_wait, channel.send_resolved, channel.send_reminders) == (2000, True, True)
    assert (channel.quiet_hours, channel.max_per_minute) == (None, 20)
    assert channel.charts is None
    assert config.keep_history == 90 * 86_400_000


def test_a_daily_message_needs_no_heartbeat() -> None:
    config = load(ACCOUNT + CHANNEL + '[heartbeat]\ndaily = "08:00"\n')
    assert config.heartbeat is not None
    assert (config.heartbeat.daily, config.heartbeat.beats) == (time(8), False)
    assert not [secret for secret in config.plain_secrets() if secret == "None"]


def test_a_long_configuration_says_all_of_it() -> None:
    config = load(
        'rules = ["a.toml"]\ndata_dir = "state"\ntimezone = "Asia/Tokyo"\npoll_interval = "5s"\n'
        'stale_after = "20s"\nrepeat = "never"\ngive_up_after = "1d"\nkeep_history = "30d"\n'
        'max_weight_share = "12.5%"\n'
        f'{ACCOUNT}network = "testnet"\nvenue = "binance-usdm"\n'
        f'{CHANNEL}min_severity = "critical"\naccounts = ["m*"]\nrules = ["!x"]\n'
        'group_wait = "1m"\nsend_resolved = false\nsend_reminders = false\nmax_per_minute = 600\n'
        'quiet_hours = { from = "22:30", to = "06:05" }\ncharts = "light"\n'
        '[heartbeat]\nurl = "https://example.com/${TOKEN}?a=1"\nevery = "90s"\n'
        '[http]\nlisten = "[::1]:9187"\n'
        '[log]\nlevel = "debug"\nformat = "json"\n'
    )
    assert config.heartbeat is not None
    assert config.heartbeat.url is not None
    assert config.heartbeat.url.get_secret_value() == "https://example.com/token-4711-abcdef?a=1"
    assert config.heartbeat.every == 90_000
    assert config.http == Http(listen=Listen("::1", 9187))
    assert str(config.http.listen) == "[::1]:9187"
    assert config.data_dir == Path.cwd() / "state"
    assert config.timezone == ZoneInfo("Asia/Tokyo")
    assert (config.repeat, config.poll_interval) == (None, 5000)
    assert config.max_weight_share == 0.125
    assert config.keep_history == 30 * 86_400_000
    (channel,) = config.channels
    assert channel.max_per_minute == 600
    assert channel.charts == "light"
    quiet = channel.quiet_hours
    assert quiet is not None
    assert (quiet.begin, quiet.end) == (time(22, 30), time(6, 5))
    assert config.accounts[0].endpoints == Endpoints(
        ws_api="wss://testnet.binancefuture.com/ws-fapi/v1",
        streams="wss://fstream.binancefuture.com",
        rest="https://demo-fapi.binance.com",
        sapi=None,
    )
    assert config.channels[0].rules == Globs(["!x"])
    assert config.channels[0].min_severity is Severity.CRITICAL
    assert not config.channels[0].send_resolved


@pytest.mark.parametrize(
    ("given", "environ", "place"),
    [
        ("", {"STATE_DIRECTORY": "/var/lib/mw"}, "/var/lib/mw"),
        ("", {"STATE_DIRECTORY": "/var/lib/mw:/var/lib/x"}, "/var/lib/mw"),
        ('data_dir = "~/x"\n', {"STATE_DIRECTORY": "/var/lib/mw"}, "/home/trader/x"),
        ('data_dir = "${D}/x"\n', {"D": "/d"}, "/d/x"),
    ],
)
def test_where_the_store_goes(given: str, environ: dict[str, str], place: str) -> None:
    assert load(given + ACCOUNT + CHANNEL, environ=ENVIRON | environ).data_dir == Path(place)


def test_endpoints_of_a_simulator_are_all_that_is_dialled() -> None:
    account = ACCOUNT + (
        'endpoints = { ws_api = "ws://127.0.0.1:9/ws-fapi/v1", streams = "ws://localhost:9/", '
        'rest = "http://[::1]:9" }\n'
    )
    endpoints = load(account + CHANNEL).accounts[0].endpoints
    assert (endpoints.streams, endpoints.sapi) == ("ws://localhost:9", None)
    assert endpoints.local


# Secrets -------------------------------------------------------------------------------------


def test_secrets_come_from_environment_files_and_credentials(folder: Path) -> None:
    write("from-file-4711\n", name="s")
    write("from-credential-4711\n", mode=0o444, name="c")
    config = load(
        f'[[account]]\nname = "main"\napi_key = "${{file:{folder}/s}}"\n'
        'api_secret = "a$$b-${credential:c}"\n[[channel]]\nname = "p"\nurl = "json://${file:s}"',
        environ={"CREDENTIALS_DIRECTORY": str(folder)},
    )
    assert config.accounts[0].api_key.get_secret_value() == "from-file-4711"
    assert config.accounts[0].signing_keys()["api_secret"] == "a$b-from-credential-4711"
    assert secrets(config) == {
        "from-file-4711",
        "from-credential-4711",
        "a$b-from-credential-4711",
        "json://from-file-4711",
    }


def test_without_resolving_no_secret_is_touched() -> None:
    config = load(
        ACCOUNT + '[[channel]]\nname = "p"\nurl = "${file:/nowhere}"', environ={}, resolve=False
    )
    assert config.accounts[0].api_key.get_secret_value() == "${KEY}"


def test_no_repr_holds_a_secret() -> None:
    config = load(ACCOUNT + CHANNEL)
    for text in (repr(config), str(config), repr(config.accounts[0]), str(config.model_dump())):
        assert "4711" not in text


def test_a_secret_with_quotes_is_found_where_it_is_quoted() -> None:
    secret = "a\"b\\c'4711é"
    redact = redactor(load(ACCOUNT + CHANNEL, environ=ENVIRON | {"SECRET": secret}))
    for leak in (secret, repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert "4711" not in redact(f"refused: {leak}")


def test_the_redactor_takes_out_every_form_of_a_secret() -> None:
    redact = redactor(
        load(
            ACCOUNT + '[[channel]]\nname = "p"\nurl = "tgram://${TOKEN}/a%20secret%20chat"\n'
            '[[channel]]\nname = "q"\nurl = "json://127.0.0.1:8080/pathsecret"\n'
            '[heartbeat]\nurl = "https://beats.example.com/ping-4711/now"\n',
            environ=ENVIRON | {"SECRET": "sec/ret+4711"},
        )
    )
    for leak in (
        "key key-4711-abcdef refused",
        "POST https://api.telegram.org/bottoken-4711-abcdef/send",
        "?signature=sec%2Fret%2B4711&",
        "chat a secret chat",
        "Max retries exceeded with url: /pathsecret",
        "GET /ping-4711/now HTTP/1.1",
        "certificate is not valid for 'beats.example.com'",
    ):
        text = redact(leak)
        assert "4711" not in text
        assert "secret chat" not in text
        assert "pathsecret" not in text
        assert "[secret]" in text
    assert redact("connecting to 127.0.0.1:8080, 42 frames") == (
        "connecting to 127.0.0.1:8080, 42 frames"
    )


PLAIN = '[[account]]\nname = "main"\napi_key = "k4711"\napi_secret = "s4711"\n'
LOCAL = (
    'endpoints = { ws_api = "ws://127.0.0.1:9/x", streams = "ws://127.0.0.1:9", '
    'rest = "http://127.0.0.1:9" }\n'
)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_plain_secret_is_refused_where_others_can_read(mode: int) -> None:
    assert refused(PLAIN + CHANNEL, mode) == (
        'config.toml:4:1: account "main", api_secret: a plain secret in a file that others can '
        "read\n    api_secret = …\n"
        f"    ^ mode {mode:04o}; run: chmod 600 config.toml\n1 fault in 1 file"
    )


def test_a_plain_channel_url_is_a_secret_too() -> None:
    told = refused(ACCOUNT + '[[channel]]\nname = "p"\nurl = "tgram://t4711/x"\n', 0o644)
    assert told.startswith('config.toml:7:1: channel "p", url: a plain secret')


def test_a_plain_heartbeat_url_is_a_secret_too() -> None:
    told = refused(ACCOUNT + CHANNEL + '[heartbeat]\nurl = "https://x.example/t4711"\n', 0o644)
    assert told.startswith("config.toml:9:1: heartbeat, url: a plain secret")
    inline = 'heartbeat = { url = "https://x.example/t4711" }\n'
    told = refused(inline + ACCOUNT + CHANNEL, 0o644)
    assert told.startswith("config.toml:1:15: heartbeat, url: a plain secret")


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (PLAIN + CHANNEL, 0o600),
        (PLAIN + CHANNEL, 0o400),
        (ACCOUNT + CHANNEL, 0o644),
        (PLAIN + LOCAL + CHANNEL, 0o644),
        (ACCOUNT + '[[channel]]\nname = "p"\nurl = "json://user:pw@127.0.0.1:1/x"\n', 0o644),
        (ACCOUNT + '[[channel]]\nname = "p"\nurl = "json://localhost/x"\n', 0o644),
        (ACCOUNT + CHANNEL + '[heartbeat]\nurl = "http://127.0.0.1:1/x"\n', 0o644),
        (ACCOUNT + CHANNEL + '[heartbeat]\nurl = "https://x.example/${TOKEN}"\n', 0o644),
    ],
    ids=[
        "0600",
        "0400",
        "no plain secret",
        "local account",
        "local url",
        "localhost",
        "local heartbeat",
        "heartbeat from the environment",
    ],
)
def test_what_is_safe_is_accepted(text: str, mode: int) -> None:
    config = load(text, mode)
    assert [len(config.accounts), len(config.channels)] == [1, 1]


def test_an_account_that_is_partly_elsewhere_is_not_exempt() -> None:
    elsewhere = LOCAL.replace("http://127.0.0.1:9", "http://example.com")
    assert "a plain secret" in refused(PLAIN + elsewhere + CHANNEL, 0o644)


def test_a_secret_file_that_others_can_read_is_refused(folder: Path) -> None:
    write("s4711", 0o644, name="s s")
    told = refused(ACCOUNT.replace("${SECRET}", "${file:s s}") + CHANNEL)
    assert told == (
        'config.toml:4:14: account "main", api_secret: s s can be read by others (mode 0644)\n'
        "    api_secret = …\n                 ^ run: chmod 600 's s'\n1 fault in 1 file"
    )


def test_systemds_folder_is_guarded_whatever_the_modes(folder: Path) -> None:
    write("s4711", 0o644, name="s")
    text = ACCOUNT.replace("${SECRET}", f"${{file:{folder}/s}}") + CHANNEL
    config = load(text, environ=ENVIRON | {"CREDENTIALS_DIRECTORY": str(folder)})
    assert config.accounts[0].signing_keys()["api_secret"] == "s4711"


# What is wrong, word for word ----------------------------------------------------------------


def cases() -> list[Any]:
    """Read wrong_configs.txt: (file, what is told of it)."""
    pieces = (Path(__file__).parent / "wrong_configs.txt").read_text().split("\n== ")[1:]
    found = []
    for piece in pieces:
        title, _, rest = piece.partition("\n")
        text, _, told = rest.partition("\n--\n")
        found.append(pytest.param(text + "\n", told.strip("\n"), id=title))
    return found


def test_charts_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.config.kinds.find_spec", lambda _: None)
    assert load(ACCOUNT + CHANNEL + "charts = false\n").channels[0].charts is None
    assert refused(ACCOUNT + CHANNEL + 'charts = "dark"\n').splitlines()[:3] == [
        'config.toml:8:10: channel "phone", charts: there is nothing to draw charts with',
        '    charts = "dark"',
        "             ^ install Pillow: pip install pillow, or pipx inject marginwatch pillow",
    ]


@pytest.mark.parametrize(("text", "told"), cases())
def test_a_wrong_configuration_is_told_word_for_word(text: str, told: str) -> None:
    assert refused(text) == told


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (
            b'\xef\xbb\xbfapi_secret = "s4711"',
            (
                "1:1: begins with a byte order mark\n    api_secret = …\n"
                "    ^ save it as UTF-8 without one"
            ),
        ),
        (
            b'[[account]]\napi_key = "4711\xfc4711"',
            (
                "2:16: byte 0xfc is not UTF-8\n    api_key = …\n"
                "                   ^ save the file as UTF-8"
            ),
        ),
        (
            'api_key = "4711"'.encode("utf-16"),
            "1:1: is UTF-16, not UTF-8\n    api_key = …\n    ^ save it as UTF-8",
        ),
        (
            b'[[account]]\napi_key = "4711"\napi_key = "4711"',
            (
                "3:1: not TOML: a key is given twice in this table\n    api_key = …\n"
                "    ^ keep one of them\n1 fault in 1 file"
            ),
        ),
        (
            b'rules = [\n[[account]]\napi_key = "4711"',
            (
                "2:1: not TOML: an array or inline table is not closed\n    …\n"
                "    ^ close the [ in line 1, column 9\n1 fault in 1 file"
            ),
        ),
    ],
    ids=["mark", "latin-1", "utf-16", "twice", "unclosed"],
)
def test_what_is_no_toml_is_shown_without_secrets(raw: bytes, told: str) -> None:
    path = Path("config.toml")
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ=ENVIRON)
    assert str(caught.value) == f"config.toml:{told}"


def test_a_dry_run_needs_no_channel() -> None:
    assert load(ACCOUNT, need_channels=False).channels == ()


def test_a_missing_file_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Path("nowhere.toml"), environ={})
    assert str(caught.value) == "nowhere.toml: there is no such file"


# Finding files -------------------------------------------------------------------------------


def test_the_first_of_the_usual_places_is_taken(folder: Path) -> None:
    environ = {"HOME": str(folder / "home")}
    usual = folder / "home/.config/marginwatch/config.toml"
    usual.parent.mkdir(parents=True)
    usual.touch()
    assert find_config(None, environ) == usual
    Path("config.toml").touch()
    assert find_config(None, environ) == Path("config.toml")
    assert find_config(None, environ | {"MARGINWATCH_CONFIG": "x"}) == Path("x")
    assert find_config(Path("y"), environ | {"MARGINWATCH_CONFIG": "x"}) == Path("y")


def test_no_configuration_names_every_place(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config(None, {"HOME": str(folder)})
    for place in (
        "$MARGINWATCH_CONFIG",
        "./config.toml",
        "~/.config/marginwatch/config.toml",
        "/etc/marginwatch/config.toml",
        "marginwatch init",
    ):
        assert place in str(caught.value)


def test_rule_files_are_relative_to_the_configuration(folder: Path) -> None:
    (folder / "etc/rules").mkdir(parents=True)
    for name in ("b.toml", "a.toml", "a.test.toml"):
        (folder / "etc/rules" / name).touch()
    config = load_config(write(ACCOUNT + CHANNEL, name="etc/config.toml"), environ=ENVIRON)
    assert config.rule_files() == (Path("etc/rules/a.toml"), Path("etc/rules/b.toml"))


def test_a_glob_without_a_rule_file_is_told(folder: Path) -> None:
    config = load('rules = ["x/*.toml"]\n' + ACCOUNT + CHANNEL)
    with pytest.raises(ConfigError) as caught:
        config.rule_files()
    assert str(caught.value) == (
        f'config.toml:1:10: rules: "x/*.toml" matches no rule file in {folder}\n'
        '    rules = ["x/*.toml"]\n'
        "             ^ a glob is relative to this file; rule tests (*.test.toml) do not count\n"
        "1 fault in 1 file"
    )


def test_rules_can_be_found_in_a_broken_configuration(folder: Path) -> None:
    (folder / "r.toml").touch()
    found = outline(write('rules = ["r.toml"]\nx = 1\n' + ACCOUNT))
    assert found == Outline((Path("r.toml"),), frozenset({"main"}), frozenset())
    assert outline(write("[")) == Outline((), None, None)
    broken = write("account = 1\nchannel = [{}]\nrules = 1")
    assert outline(broken) == Outline((), None, None)


def test_what_ships_is_found(root: Path) -> None:
    assert shipped("rules") == root / "rules"
    assert shipped("config.example.toml").is_file()


@pytest.mark.parametrize(
    ("zone", "environ"), [("Asia/Tokyo", "Asia/Tokyo"), ("Asia/Tokyo", ":Asia/Tokyo")]
)
def test_the_machines_time_zone_is_the_default(zone: str, environ: str) -> None:
    assert load(ACCOUNT + CHANNEL, environ=ENVIRON | {"TZ": environ}).timezone == ZoneInfo(zone)


# The example ---------------------------------------------------------------------------------


def test_the_example_loads_and_names_every_key(root: Path) -> None:
    text = (root / "config.example.toml").read_text()
    named = (
        "BINANCE_API_KEY",
        "BINANCE_API_SECRET",
        "BINANCE_PASSPHRASE",
        "TELEGRAM_TOKEN",
        "TELEGRAM_CHAT",
    )
    environ = {name: f"{name}-value" for name in named}
    environ["HEARTBEAT_URL"] = "https://example.com/HEARTBEAT-value"
    config = load(text, mode=0o644, environ=environ)
    assert config.channels[0].url.get_secret_value().endswith("TELEGRAM_CHAT-value")
    for model in (Config, Account, Channel, Heartbeat, Http, Log, Endpoints):
        for key in keys_of(model):
            assert f"[{key}]" in text or f"{key} = " in text
    # What is commented out is right, too.
    write(encrypted_key(environ["BINANCE_PASSPHRASE"]), name="ed25519.pem")
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line or "[" in line]
    lines = [line for line in lines if "$$" not in line and not line.startswith("api_secret")]
    whole = load("\n".join(lines), mode=0o600, environ=environ)
    assert whole.accounts[0].signing_keys()["passphrase"] == "BINANCE_PASSPHRASE-value"
    assert whole.heartbeat is not None
    assert whole.heartbeat.url is not None
    assert whole.http == Http(listen=Listen("127.0.0.1", 9187))
    assert whole.heartbeat.url.get_secret_value() == environ["HEARTBEAT_URL"]


def test_os_environ_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setitem(os.environ, name, value)
    assert load_config(write(ACCOUNT + CHANNEL)).accounts[0].name == "main"
