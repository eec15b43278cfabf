"""Rule files: what they become, and every way they can be wrong, word for word."""

from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import main
from monitor.core.language.units import Scope
from monitor.core.rules import Globs, Rule, Severity
from monitor.errors import RuleFileError
from monitor.rulefile import find_rule_files, load_rules, parse_rules
from monitor.rulefile.rule import KEYS

RULE = '[[rule]]\nname = "r"\n'
POOL = RULE + 'warning = "margin_ratio > 20%"\n'
POSITION = RULE + 'warning = "roi < -50%"\n'
HAPPENING = RULE + 'on = ["liquidation"]\nseverity = "critical"\n'

EXAMPLE = """
[[rule]]
name     = "liquidation-distance"
info     = "liquidation_distance < 20%"
warning  = "liquidation_distance < 10%"
critical = "liquidation_distance < 5%"
for      = { info = "15s", warning = "15s" }
keep_firing_for = "1m"
hysteresis = "10%"
symbols  = ["BTC*", "!BTCUSDC"]
accounts = ["main"]
channels = ["phone"]
repeat   = "30m"
message  = "{symbol} {side}: {liquidation_distance:.1%} from {liquidation_price} {{now}}"
runbook  = "https://example.com/book"

[[rule]]
name = "forced"
on = ["liquidation", "adl"]
severity = "critical"
cooldown = "2m"
"""


def parsed(text: str) -> tuple[Rule, ...]:
    return parse_rules(text, accounts={"main"}, venues={"binance-usdm"}, channels={"phone", "mail"})


def test_a_rule_is_what_its_file_says() -> None:
    distance, forced = parsed(EXAMPLE)
    assert (distance.name, distance.scope) == ("liquidation-distance", Scope.POSITION)
    assert [level.severity for level in distance.levels] == [1, 2, 3]
    assert [level.on_delay for level in distance.levels] == [15_000, 15_000, 0]
    assert [level.off_delay for level in distance.levels] == [60_000] * 3
    assert distance.hysteresis == Decimal("0.1")
    assert distance.symbols == Globs(["BTC*", "!BTCUSDC"])
    assert distance.accounts == Globs(["main"])
    assert (distance.channels, distance.repeat) == (("phone",), 1_800_000)
    assert distance.runbook == "https://example.com/book"
    assert (forced.on, forced.severity) == (("liquidation", "adl"), Severity.CRITICAL)
    assert (forced.scope, forced.cooldown, forced.levels) == (Scope.POSITION, 120_000, ())
    assert (forced.symbols, forced.channels, forced.repeat) == (Globs(), None, 3_600_000)


def test_the_relaxed_condition_has_the_dead_band() -> None:
    level = parsed(EXAMPLE)[0].levels[1]
    assert not level.condition.exact(Decimal("0.105"))
    assert level.relaxed.exact(Decimal("0.105"))
    assert not level.relaxed.exact(Decimal("0.115"))


@pytest.mark.parametrize(
    ("conditions", "scope"),
    [
        ('info = "stale_for > 5s"', Scope.ACCOUNT),
        ("info = \"account == 'main'\"", Scope.ACCOUNT),
        ('info = "stale_for > 5s"\nwarning = "margin_ratio > 5%"', Scope.POOL),
        ('info = "margin_ratio > 5%"\nwarning = "roi < 5%"', Scope.POSITION),
        ('on = ["liquidation"]\nseverity = "info"', Scope.POSITION),
        ('on = ["liquidation", "stream_lost"]\nseverity = "info"', Scope.ACCOUNT),
    ],
)
def test_a_rule_belongs_to_the_narrowest_thing_it_names(conditions: str, scope: Scope) -> None:
    assert parsed(RULE + conditions)[0].scope is scope


def test_never_is_never_whatever_the_default() -> None:
    assert parsed(POOL + 'repeat = "never"')[0].repeat is None
    assert parse_rules(POOL, repeat=None)[0].repeat is None
    assert parse_rules(POOL, repeat=5)[0].repeat == 5


def test_a_happening_may_have_symbols() -> None:
    assert parsed(HAPPENING + 'symbols = ["BTC*"]')[0].symbols == Globs(["BTC*"])


def test_what_is_not_known_is_not_checked() -> None:
    rule = parse_rules(POOL + 'channels = ["any"]\naccounts = ["none"]')[0]
    assert rule.channels == ("any",)
    assert parse_rules(RULE + "info = \"account == 'any'\"")[0].scope is Scope.ACCOUNT


def cases(name: str) -> list[tuple[str, str, str]]:
    """Read a file of wrong files: (case, file, what is told of it)."""
    pieces = (Path(__file__).parent / name).read_text().split("\n== ")[1:]
    found = []
    for piece in pieces:
        title, _, rest = piece.partition("\n")
        text, _, told = rest.partition("\n--\n")
        found.append((title, text + "\n", told.strip("\n")))
    return found


WRONG = [pytest.param(text, told, id=title) for title, text, told in cases("wrong_rules.txt")]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_wrong_rule_file_is_told_word_for_word(text: str, told: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        parse_rules(
            text,
            "rules.toml",
            accounts={"main"},
            venues={"binance-usdm"},
            channels={"phone", "mail"},
        )
    assert str(caught.value) == told


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_wrong_rule_file_ends_check_with_two(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a configuration, names of accounts and channels cannot be wrong."""
    needs_names = ("no channel is called", "account is never")
    if any(word in told for word in needs_names):
        return
    monkeypatch.chdir(tmp_path)
    Path("rules.toml").write_text(text)
    result = CliRunner().invoke(main, ["check", "--rules", "rules.toml"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == told + "\n"


def test_every_key_is_read_somewhere() -> None:
    seen = EXAMPLE + "".join(text for _, text, _ in cases("wrong_rules.txt"))
    assert [key for key in KEYS if f"{key} " not in seen] == []


def test_all_faults_of_all_files_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules").mkdir()
    Path("rules/b.toml").write_text(POOL + POOL.replace('"r"', '"s"') + "zzz = 1\n")
    Path("rules/a.toml").write_text("[rule]\n")
    Path("rules/c.toml").write_text(POOL)
    Path("rules/d.toml").write_bytes(b"\xff")
    Path("rules/c.test.toml").write_text("not a rule")
    with pytest.raises(RuleFileError) as caught:
        load_rules(find_rule_files(["rules"]))
    assert (
        str(caught.value)
        == """\
rules/a.toml:1:1: a rule begins with [[rule]]
    [rule]
    ^ write it in double brackets
rules/b.toml:7:1: rule "s": there is no key called `zzz`
    zzz = 1
    ^ there are name, info, warning, critical, for, keep_firing_for, hysteresis, on, severity, \
cooldown, symbols, accounts, channels, repeat, message, runbook
rules/c.toml:1:1: rule "r": there is another rule of this name at rules/b.toml:1
    [[rule]]
    ^ give this one another; names are unique over all files
rules/d.toml:1:1: byte 0xff is not UTF-8
    \N{REPLACEMENT CHARACTER}
    ^ save the file as UTF-8
4 faults in 4 files"""
    )


def test_paths_are_shown_relative_where_that_is_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    Path("a.toml").write_text("")
    (tmp_path / "b.toml").write_text("")
    nothing = "there is no [[rule]] in this file\n\n    ^ begin each rule with [[rule]]\n"
    with pytest.raises(RuleFileError) as caught:
        load_rules([tmp_path / "in/a.toml", tmp_path / "b.toml"])
    assert str(caught.value) == (
        f"a.toml:1:1: {nothing}{tmp_path}/b.toml:1:1: {nothing}2 faults in 2 files"
    )


def test_a_glob_without_a_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    with pytest.raises(RuleFileError) as caught:
        find_rule_files(["*.toml", "x"])
    assert str(caught.value) == (
        "*.toml: no rule file matches in the working directory\n"
        "    rule tests (*.test.toml) do not count\n"
        "x: no rule file matches in the working directory\n"
        "    rule tests (*.test.toml) do not count"
    )


def test_a_file_is_read_once_however_often_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(POOL)
    assert len(load_rules([path, path])) == 1
    assert find_rule_files(["*.toml", "a.toml", str(path)], tmp_path) == (path,)
