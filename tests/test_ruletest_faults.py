"""Wrong rule tests: each is refused with its place and a way out, word for word."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import main
from monitor.core.rules import HAPPENINGS
from monitor.errors import RuleTestError
from monitor.rulefile import parse_rules
from monitor.ruletest import happened
from monitor.ruletest.expects import KEYS as EXPECT_KEYS
from monitor.ruletest.reading import KEYS, find_test_files, load_tests, parse_tests
from tests.test_rulefile import cases

RULES = """
[[rule]]
name = "near"
warning = "liquidation_distance < 10%"
critical = "liquidation_distance < 5%"

[[rule]]
name = "pool"
critical = "margin_ratio > 35%"

[[rule]]
name = "blind"
critical = "stale_for > 0s"

[[rule]]
name = "only-eth"
info = "roi < -50%"
symbols = ["ETH*"]

[[rule]]
name = "forced"
on = ["liquidation", "adl"]
severity = "critical"
"""
FILE = (Path(__file__).parent / "wrong_tests.txt").read_text()
WRONG = [pytest.param(text, told, id=title) for title, text, told in cases("wrong_tests.txt")]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_a_wrong_test_is_told_word_for_word(text: str, told: str) -> None:
    with pytest.raises(RuleTestError) as caught:
        parse_tests(text, parse_rules(RULES), "my.test.toml")
    assert str(caught.value) == told


def test_a_wrong_test_ends_with_two_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, text, told = next(case for case in cases("wrong_tests.txt") if case[0] == "which rule")
    Path("my.toml").write_text(RULES)
    Path("my.test.toml").write_text(text)
    result = CliRunner().invoke(main, ["test", "my.test.toml"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", told + "\n")


def test_every_key_is_read_somewhere() -> None:
    shipped = "".join(path.read_text() for path in Path("rules").glob("*.test.toml"))
    assert [key for key in (*KEYS, *EXPECT_KEYS) if f"{key}" not in FILE + shipped] == []


def test_every_kind_of_happening_has_its_keys() -> None:
    assert [kind for kind in HAPPENINGS if "at" not in happened.keys_of(kind)] == []


def test_faults_of_rules_and_tests_and_files_come_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fine = '[[test]]\nname = "t"\nexpect = []\n[[test.position]]\nsymbol = "X"\nside = "long"\n'
    Path("a.toml").write_text('[[rule]]\nname = "r"\ninfo = "roi < 5"\n')
    evry = 'evry = "5s"\nrules = ["r", "s"]\nexpect = []'
    Path("a.test.toml").write_text(fine.replace("expect = []", evry))
    Path("b.test.toml").write_text(fine)
    Path("c.toml").write_text('[[rule]]\nname = "r"\ninfo = "roi < 5%"\n')
    Path("c.test.toml").write_bytes(b"\xff")
    with pytest.raises(RuleTestError) as caught:
        load_tests(find_test_files(["."]))
    assert (
        str(caught.value)
        == """\
a.toml:3:15: rule "r", info: roi is a ratio, 5 is a plain number
    info = "roi < 5"
                  ^ did you mean 5%?
a.test.toml:3:1: test "t": there is no key called `evry`
    evry = "5s"
    ^ did you mean `every`?
a.test.toml:4:15: test "t", rules: no rule is called "s"
    rules = ["r", "s"]
                  ^ there is r
b.test.toml: there is no b.toml beside it, whose rules it would test
c.test.toml:1:1: byte 0xff is not UTF-8
    \N{REPLACEMENT CHARACTER}
    ^ save the file as UTF-8
5 faults in 4 files"""
    )


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        pytest.param("none", "no file of tests is there", id="no such file"),
        pytest.param("*.none", "no file of tests is there", id="a glob of nothing"),
        pytest.param("empty", "no file of tests is there", id="an empty folder"),
        pytest.param("r.toml", "is no file of tests", id="a rule file"),
    ],
)
def test_paths_that_mean_no_tests_are_refused(tmp_path: Path, pattern: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "r.toml").write_text(RULES)
    with pytest.raises(RuleTestError) as caught:
        find_test_files([pattern], tmp_path)
    assert str(caught.value) == f"{pattern}: {told}\n    tests stand in files named *.test.toml"


def test_a_file_is_run_once_however_often_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "r.test.toml"
    path.write_text("")
    (tmp_path / "r.toml").write_text(RULES)
    found = find_test_files(["*.toml", ".", str(path)], tmp_path)
    assert [each.name for each in found] == ["r.test.toml"]
