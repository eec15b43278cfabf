"""`marginwatch init`: something to begin with, and never a file of somebody else's touched."""

import os
import stat
from pathlib import Path

import pytest
import tomli
from click.testing import CliRunner, Result

from monitor.cli import main, starting
from monitor.cli.starting import first_config
from monitor.config import load_config
from monitor.rulefile import find_rule_files, load_rules

SECRETS = {
    "BINANCE_API_KEY": "k" * 64,
    "BINANCE_API_SECRET": "s" * 64,
    "TELEGRAM_TOKEN": "123456789:abcdefg_hijklmnop",
    "TELEGRAM_CHAT": "987654321",
}


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def tree(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_it_writes_what_a_beginning_takes_and_says_what_is_next(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = init()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "wrote config.toml (mode 600)\n"
        "wrote rules/\n"
        "wrote docs/rules/\n"
        "\n"
        "Say in config.toml who is told and how, set BINANCE_API_KEY, BINANCE_API_SECRET, "
        "TELEGRAM_TOKEN and TELEGRAM_CHAT\n"
        "in the environment (or write ${file:/path} in their place), then:\n"
        "\n"
        "  marginwatch check --online\n"
        '  marginwatch notify "Can you hear me?"\n'
        "  marginwatch run\n"
    )
    written = tree(tmp_path)
    rules = {f"rules/{path.name}": path.read_bytes() for path in (root / "rules").glob("*.toml")}
    pages = {
        f"docs/rules/{path.name}": path.read_bytes()
        for path in (root / "docs" / "rules").glob("*.md")
    }
    assert written == rules | pages | {"config.toml": first_config().encode()}


def test_what_it_writes_can_be_used(tmp_path: Path) -> None:
    assert init(str(tmp_path / "new" / "folder")).exit_code == 0
    folder = tmp_path / "new" / "folder"
    config = load_config(folder / "config.toml", environ=SECRETS | {"HOME": str(tmp_path)})
    rules = load_rules(config.rule_files())
    assert [account.name for account in config.accounts] == ["main"]
    assert [channel.name for channel in config.channels] == ["phone"]
    for rule in rules:
        assert rule.runbook is not None
        assert (folder / rule.runbook).is_file()
    checked = CliRunner(env=SECRETS).invoke(main, ["check", "-c", str(folder / "config.toml")])
    assert (checked.exit_code, checked.stdout.splitlines()[-1].split(":")[0]) == (
        0,
        f"{len(rules)} rules, {sum(len(rule.levels) or 1 for rule in rules)} levels",
    )


def test_only_what_has_to_be_said_is_active() -> None:
    assert tomli.loads(first_config()) == {
        "rules": ["rules/*.toml"],
        "account": [
            {
                "name": "main",
                "venue": "binance-usdm",
                "network": "mainnet",
                "api_key": "${BINANCE_API_KEY}",
                "api_secret": "${BINANCE_API_SECRET}",
            }
        ],
        "channel": [{"name": "phone", "url": "tgram://${TELEGRAM_TOKEN}/${TELEGRAM_CHAT}"}],
    }


def test_nobody_else_reads_the_configuration_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        init(str(tmp_path))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "config.toml").stat().st_mode) == 0o600


def test_the_commands_name_a_configuration_that_is_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    assert init(str(folder)).stdout.splitlines()[-3:] == [
        f"  marginwatch check -c '{folder}/config.toml' --online",
        f"  marginwatch notify -c '{folder}/config.toml' \"Can you hear me?\"",
        f"  marginwatch run -c '{folder}/config.toml'",
    ]


def test_a_second_time_nothing_is_written(tmp_path: Path) -> None:
    init(str(tmp_path))
    (tmp_path / "rules" / "pnl.toml").unlink()
    (tmp_path / "config.toml").write_text("mine")
    before = tree(tmp_path)
    result = init(str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"init overwrites nothing: {tmp_path}/config.toml and {tmp_path}/rules exist already.\n"
        "Name another folder: marginwatch init DIR\n"
    )
    assert tree(tmp_path) == before


def test_a_configuration_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    result = init(str(tmp_path))
    assert (result.exit_code, result.stdout.splitlines()[:3]) == (
        0,
        [
            f"wrote {tmp_path}/rules/",
            f"wrote {tmp_path}/docs/rules/",
            f"left {tmp_path}/config.toml as it is",
        ],
    )
    assert (tmp_path / "config.toml").read_text() == "mine"


def test_rules_of_ones_own_are_not_added_to(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    result = init(str(tmp_path))
    assert result.exit_code == 0
    assert sorted(tree(tmp_path)) == ["config.toml"]
    assert result.stdout.splitlines()[:2] == [
        f"wrote {tmp_path}/config.toml (mode 600)",
        f"left {tmp_path}/rules as it is",
    ]


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "config.toml").symlink_to(tmp_path / "elsewhere")
    assert init(str(tmp_path)).exit_code == 0
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = init(str(tmp_path / "file"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"{tmp_path}/file cannot be written: File exists.\n"
        "Name another folder: marginwatch init DIR\n"
    )


def test_an_installed_program_writes_what_it_brought(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = tmp_path / "_shipped"
    (brought / "rules").mkdir(parents=True)
    (brought / "rules" / "one.toml").write_bytes((root / "rules" / "pnl.toml").read_bytes())
    (brought / "rules" / "one.test.toml").write_text("")
    (brought / "config.example.toml").write_bytes((root / "config.example.toml").read_bytes())
    monkeypatch.setattr(starting, "shipped", lambda name: brought / name)
    assert init(str(tmp_path / "mine")).exit_code == 0
    assert sorted(tree(tmp_path / "mine")) == [
        "config.toml",
        "rules/one.test.toml",
        "rules/one.toml",
    ]
    assert len(find_rule_files([str(tmp_path / "mine" / "rules")])) == 1
