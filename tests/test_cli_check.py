"""`marginwatch check`, and how every command ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.cli.checking import duration
from monitor.cli.house import House
from monitor.errors import ConditionError, ConfigError, PortInUse

RULES = """
[[rule]]
name = "near"
info = "liquidation_distance < 20%"
critical = "liquidation_distance < 5%"
for = { info = "15s" }
keep_firing_for = "1m30s"
symbols = ["BTC*", "!BTCUSDC"]
[[rule]]
name = "thin"
warning = "margin_ratio > 20%"
accounts = ["m*"]
channels = ["phone"]
[[rule]]
name = "forced"
on = ["liquidation", "adl"]
severity = "critical"
[[rule]]
name = "blind"
info = "stale_for > 0s"
"""
CONFIG = """heartbeat = { url = "http://127.0.0.1:9/beat" }
rules = ["r.toml"]
[[account]]
name = "main"
api_key = "${KEY}"
api_secret = "${KEY}"
[[account]]
name = "hedge"
api_key = "${KEY}"
api_secret = "${KEY}"
[[channel]]
name = "phone"
url = "json://127.0.0.1:9/x"
[[channel]]
name = "pager"
url = "json://127.0.0.1:9/y"
min_severity = "critical"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", "key-4711")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MARGINWATCH_CONFIG", raising=False)
    Path("r.toml").write_text(RULES)
    Path("config.toml").write_text(CONFIG)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="marginwatch")


def test_rules_alone_need_no_configuration(folder: Path) -> None:
    (folder / "config.toml").unlink()
    result = run("check", "--rules", "*.toml")
    assert result.stderr == ""
    assert (
        result.stdout
        == """\
near: positions of every account (BTC*, !BTCUSDC)
    info      liquidation_distance < 20%  for 15s, keeps firing for 1m30s
    critical  liquidation_distance < 5%   keeps firing for 1m30s
thin: margin pools of accounts m*
    warning   margin_ratio > 20%
    told to phone
forced: positions of every account
    critical  on liquidation, adl  repeats summed up over 1m
blind: every account
    info      stale_for > 0s
4 rules, 5 levels: fine
"""
    )
    assert result.exit_code == 0


def test_a_configuration_says_who_is_meant_and_told() -> None:
    result = run("check")
    assert result.stderr == ""
    assert (
        result.stdout
        == """\
near: positions of main, hedge (BTC*, !BTCUSDC)
    info      liquidation_distance < 20%  for 15s, keeps firing for 1m30s
    critical  liquidation_distance < 5%   keeps firing for 1m30s
    told to phone, pager
thin: margin pools of main
    warning   margin_ratio > 20%
    told to phone
forced: positions of main, hedge
    critical  on liquidation, adl  repeats summed up over 1m
    told to phone, pager
blind: main, hedge
    info      stale_for > 0s
    told to phone
4 rules, 5 levels: fine
"""
    )
    assert result.exit_code == 0


def test_a_service_that_takes_no_pictures_is_named() -> None:
    url = "mmost://127.0.0.1/3ccdd113474722377935511fc85d3dd4"
    tables = f'[[channel]]\nname = "team"\nurl = "{url}"\ncharts = "dark"\n'
    Path("config.toml").write_text(CONFIG + tables)
    Path("config.toml").chmod(0o600)
    text = 'channel "team", charts: Mattermost takes no pictures from this url'
    result = run("check")
    assert result.exit_code == 0
    assert result.stderr == (
        f"config.toml:21:10: warning: {text}\n"
        '    charts = "dark"\n             ^ texts go out without: write false\n'
    )
    assert run("check", "--strict").exit_code == 1
    assert json.loads(run("check", "--json").stdout)["warnings"] == [text]


def test_faults_of_configuration_and_rules_come_together() -> None:
    Path("config.toml").write_text(CONFIG + "group_wat = 1\n")
    Path("r.toml").write_text(RULES.replace("phone", "phon"))
    result = run("check", "-c", "config.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == """\
config.toml:18:1: channel "pager": there is no key called `group_wat`
    group_wat = …
    ^ did you mean `group_wait`?
1 fault in 1 file
r.toml:13:13: rule "thin", channels: no channel is called "phon"
    channels = ["phon"]
                ^ did you mean `phone`?
1 fault in 1 file
"""
    )


def test_names_in_rules_are_held_against_the_configuration() -> None:
    Path("r.toml").write_text(
        '[[rule]]\nname = "x"\ninfo = "account == \'mian\' and margin_ratio > 5%"'
    )
    result = run("check")
    assert result.exit_code == 2
    assert 'did you mean "main"?' in result.stderr


def test_a_url_that_apprise_refuses_is_told_without_it() -> None:
    Path("config.toml").write_text(CONFIG.replace("json://127.0.0.1:9/y", "nosuch://4711/y"))
    Path("config.toml").chmod(0o600)
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith('config.toml:16:7: channel "pager", url: ')
    assert "4711" not in result.stderr


def test_a_configuration_without_rules_is_told() -> None:
    Path("r.toml").unlink()
    result = run("check")
    assert result.exit_code == 2
    assert 'config.toml:2:10: rules: "r.toml" matches no rule file in ' in result.stderr


def test_warnings_fail_only_a_strict_check() -> None:
    with Path("r.toml").open("a") as file:
        file.write('[[rule]]\nname = "x"\nwarning = "equity < 0"\nhysteresis = "10%"\n')
    result = run("check")
    assert (
        result.stderr
        == """\
r.toml:23:21: warning: rule "x", warning: a threshold of 0 has no dead band: 10% of it is nothing \
[zero-threshold]
    warning = "equity < 0"
                        ^ compare with a number other than 0, or use keep_firing_for
"""
    )
    assert result.stdout.endswith("5 rules, 6 levels: 1 warning\n")
    assert (result.exit_code, run("check", "--strict").exit_code) == (0, 1)


def test_a_rule_that_reaches_nobody_says_so() -> None:
    Path("new.toml").write_text(
        '[[rule]]\nname = "x"\nwarning = "equity < 1"\nchannels = ["pager"]\n'
    )
    result = run("check", "-c", "config.toml", "--rules", "new.toml")
    assert "reaches no channel, so nobody is told [no-channel]" in result.stderr
    assert "    told to nobody\n" in result.stdout


def test_other_rules_can_be_held_against_a_configuration() -> None:
    Path("new.toml").write_text('[[rule]]\nname = "n"\ninfo = "equity < 1"\nchannels = ["x"]\n')
    assert run("check", "--rules", "new.toml").exit_code == 0
    result = run("check", "-c", "config.toml", "--rules", "new.toml")
    assert result.exit_code == 2
    assert 'no channel is called "x"' in result.stderr
    Path("config.toml").write_text(CONFIG + "x = 1\n")
    both = run("check", "-c", "config.toml", "--rules", "new.toml").stderr
    assert "no key called `x`" in both
    assert 'no channel is called "x"' in both


def test_json_holds_the_same() -> None:
    document = json.loads(run("check", "--json").stdout)
    near, thin, forced, _ = document["rules"]
    assert (document["lints"], document["warnings"]) == ([], [])
    assert near["levels"][0] == {
        "severity": "info",
        "condition": "liquidation_distance < 20%",
        "for": 15,
        "keep_firing_for": 90,
    }
    assert (thin["scope"], thin["accounts"], thin["channels"]) == ("pool", ["main"], ["phone"])
    assert (forced["on"], forced["severity"]) == (["liquidation", "adl"], "critical")


def test_usage_ends_with_two() -> None:
    for args in (["chek"], ["check", "--nope"], ["check", "-c"]):
        assert run(*args).exit_code == 2
    assert run("check", "-c", "nowhere.toml").stderr == "nowhere.toml: there is no such file\n"


def test_pipes_and_folders_are_refused_at_once() -> None:
    os.mkfifo("p.toml")
    Path("d/x.toml").mkdir(parents=True)
    told = "is not a regular file\n    give a TOML file\n"
    for args in (("--rules", "p.toml"), ("--rules", "p*.toml")):
        result = run("check", *args)
        assert (result.exit_code, result.stderr) == (2, f"p.toml: {told}1 fault in 1 file\n")
    result = run("check", "-c", "p.toml")
    assert (result.exit_code, result.stderr) == (2, f"p.toml: {told}")
    assert run("check", "--rules", "/dev/zero").stderr.startswith(f"/dev/zero: {told}")
    assert run("check", "--rules", "d").stderr.startswith("d/x.toml: is a folder, not a file\n")


def test_no_configuration_names_all_places(folder: Path) -> None:
    (folder / "config.toml").unlink()
    result = run("check")
    assert result.exit_code == 2
    assert "/etc/marginwatch/config.toml" in result.stderr


def test_version_and_help() -> None:
    assert run("--version").stdout == "marginwatch 0.1.0\n"
    assert "check" in run("--help").stdout
    told = run("check", "-h").stdout
    assert "Usage: marginwatch check" in told
    assert "\n    marginwatch check --rules my-rules.toml   rules alone\n" in told


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0s"), (90_000, "1m30s"), (86_400_001, "1d1ms"), (250, "250ms")]
)
def test_durations_are_written_as_rules_write_them(value: int, text: str) -> None:
    assert duration(value) == text


# How commands end ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exc", "code", "told"),
    [
        (PortInUse("port 9 is taken"), 2, "port 9 is taken\n"),
        (click.ClickException("no"), 2, "Error: no\n"),
        (ConditionError("x", 1), 3, "This is a bug, please report it.\n"),
        (ZeroDivisionError(), 3, "This is a bug, please report it.\n"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(7), 7, ""),
        (ExceptionGroup("", [ExceptionGroup("", [ConfigError("wrong")])]), 2, "wrong\n"),
        (ExceptionGroup("", [ConfigError("wrong"), KeyError()]), 3, "please report it.\n"),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130, ""),
        (BrokenPipeError(), 0, ""),
    ],
    ids=repr,
)
def test_each_ending_has_its_code(exc: BaseException, code: int, told: str) -> None:
    group = House("x")

    @group.command()
    def fail() -> None:
        raise exc

    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == code
    assert result.stderr.endswith(told)
    assert ("Traceback" in result.stderr) == (code == 3)


def test_a_command_answers_with_its_code() -> None:
    group = House("x")
    group.command("no")(lambda: 1)
    group.command("fine")(lambda: None)
    assert CliRunner().invoke(group, ["no"]).exit_code == 1
    assert CliRunner().invoke(group, ["fine"]).exit_code == 0


def python(code: str) -> bytes:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_a_reader_that_leaves_is_no_fault() -> None:
    code = "from monitor.cli import main; main(['check', '--rules', 'r.toml'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_the_command_line_imports_nothing_heavy() -> None:
    """`marginwatch --version` has a budget: what it imports is counted."""
    code = (
        "import sys, monitor.cli; "
        "print(sorted({'trio', 'pydantic', 'apprise', 'tomli', 'decimal'} & set(sys.modules)))"
    )
    assert python(code) == b"[]\n"


def test_rules_alone_do_without_pydantic() -> None:
    code = (
        "import sys; from monitor.cli import main\n"
        "try: main(['check', '--rules', 'r.toml'])\n"
        "finally: print(sorted({'trio', 'pydantic', 'apprise'} & set(sys.modules)))"
    )
    assert python(code).endswith(b"[]\n")
