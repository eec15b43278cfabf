"""The command `test`: its answers, its exit codes, its reports."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from monitor.cli import main
from scripts.documents import examples
from tests.ruletests import described

RULES = """
[[rule]]
name = "near"
info = "liquidation_distance < 20%"
warning = "liquidation_distance < 10%"
for = { warning = "10s" }

[[rule]]
name = "forced"
on = ["liquidation", "adl"]
severity = "critical"
"""
PASSES = """
[[test]]
name = "far away"
rules = ["near"]
every = "5s"
expect = []
[[test.position]]
symbol = "BTCUSDT"
side = "long"
[test.series]
liquidation_distance = ["30%", "25%"]
"""
FAILS = """
[[test]]
name = "near & <nearer>"
rules = ["near"]
every = "5s"
[[test.position]]
symbol = "BTCUSDT"
side = "long"
[test.series]
liquidation_distance = ["30%", "9%x5"]
[[test.expect]]
at = "5s"
kind = "fired"
severity = "info"
[[test.expect]]
at = "10s"
kind = "escalated"
severity = "warning"
"""
FAILURE = """\
my.test.toml:13: test "near & <nearer>" failed
      expected                   happened
       5s  fired      info        5s  fired      info     near  BTCUSDT
    > 10s  escalated  warning
                                 15s  escalated  warning  near  BTCUSDT
    rule "near" on BTCUSDT around 10s:
            5s  liquidation_distance 9.0 % · info: true, on · warning: true, rising for 0s of 10s
           10s  liquidation_distance 9.0 % · info: true, on · warning: true, rising for 5s of 10s
           15s  liquidation_distance 9.0 % · info: true, on · warning: true, on"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rules, the working directory; no configuration is found from here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MARGINWATCH_CONFIG", raising=False)
    (tmp_path / "my.toml").write_text(RULES)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["test", *arguments])


def test_what_passes_ends_with_zero(folder: Path) -> None:
    (folder / "my.test.toml").write_text(PASSES)
    result = run("my.test.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "my.test.toml: 1 test, fine\n1 passed, 0 failed\n"


def test_what_fails_ends_with_one_and_both_timelines(folder: Path) -> None:
    (folder / "my.test.toml").write_text(PASSES + FAILS)
    result = run("*.test.toml")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        f"my.test.toml: 1 of 2 tests failed\n\n{FAILURE}\n\n1 passed, 1 failed\n"
    )


def test_coverage_lists_what_no_test_fires(folder: Path) -> None:
    (folder / "my.test.toml").write_text(PASSES)
    (folder / "other.toml").write_text(
        RULES.replace('"near"', '"o"').partition('[[rule]]\nname = "forced"')[0]
    )
    result = run(".", "--coverage")
    assert (
        result.stdout
        == """\
my.test.toml: 1 test, fine
never fired: my.toml: near: info
never fired: my.toml: near: warning
never fired: my.toml: forced: liquidation
never fired: my.toml: forced: adl
never fired: other.toml: o: info
never fired: other.toml: o: warning
0 of 6 levels fired
1 passed, 0 failed
"""
    )
    (folder / "my.test.toml").write_text(FAILS)
    assert "2 of 4 levels fired" in run("my.test.toml", "--coverage").stdout


def test_junit_is_xml_whatever_the_names(folder: Path) -> None:
    text = PASSES.replace("far away", "far \\u0001 away") + FAILS
    (folder / "my.test.toml").write_text(text)
    assert run("my.test.toml", "--junit", "report.xml").exit_code == 1
    suites = ET.parse(folder / "report.xml").getroot()  # noqa: S314 - our own file
    assert (suites.tag, suites.get("tests"), suites.get("failures")) == ("testsuites", "2", "1")
    (suite,) = suites
    assert (suite.tag, suite.get("name"), suite.get("failures")) == (
        "testsuite",
        "my.test.toml",
        "1",
    )
    first, second = suite
    assert (first.get("name"), len(first)) == ("far \N{REPLACEMENT CHARACTER} away", 0)
    assert second.get("name") == "near & <nearer>"
    (failure,) = second
    assert failure.text == FAILURE
    assert failure.get("message") == 'my.test.toml:13: test "near & <nearer>" failed'


def test_json_is_one_document(folder: Path) -> None:
    (folder / "my.test.toml").write_text(PASSES + FAILS)
    result = run("my.test.toml", "--json", "--coverage")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["passed"], document["failed"]) == (1, 1, 1)
    assert [(test["name"], test["line"], test["passed"]) for test in document["tests"]] == [
        ("far away", 2, True),
        ("near & <nearer>", 13, False),
    ]
    failed = document["tests"][1]
    assert failed["text"] == FAILURE
    assert failed["happened"][1] == {
        "at": 15,
        "kind": "escalated",
        "severity": "warning",
        "rule": "near",
        "id": "BTCUSDT",
        "account": "main",
        "reason": None,
        "happening": None,
        "count": None,
    }
    assert document["coverage"]["total"] == 4
    assert document["coverage"]["never_fired"][0] == {
        "file": "my.toml",
        "rule": "forced",
        "what": "liquidation",
    }


def test_without_paths_the_rules_here_are_tested(folder: Path) -> None:
    rules = folder / "rules"
    rules.mkdir()
    (rules / "my.toml").write_text(RULES)
    (rules / "my.test.toml").write_text(PASSES)
    assert run().stdout == "rules/my.test.toml: 1 test, fine\n1 passed, 0 failed\n"


def test_without_paths_those_beside_the_configuration_come_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the configuration is read: it only says where."""
    other = folder / "elsewhere"
    (other / "rules").mkdir(parents=True)
    (other / "config.toml").write_text("nothing that could be read")
    (other / "rules/my.toml").write_text(RULES)
    (other / "rules/my.test.toml").write_text(PASSES)
    assert run("-c", "elsewhere/config.toml").stdout.splitlines()[-1] == "1 passed, 0 failed"
    monkeypatch.setenv("MARGINWATCH_CONFIG", str(other / "config.toml"))
    assert run().stdout.splitlines()[-1] == "1 passed, 0 failed"


def test_without_any_tests_it_says_how_to_name_them(folder: Path) -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "there are no rule tests: no rules/*.test.toml beside a configuration or here\n"
        "    name the files: marginwatch test my-rules.test.toml\n"
    )


def test_a_test_that_could_not_fail_is_warned_of(folder: Path) -> None:
    (folder / "my.test.toml").write_text(PASSES.replace("liquidation_distance", "margin_room"))
    result = run("my.test.toml")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed")
    assert result.stderr == (
        'warning: my.test.toml:2: test "far away": it expects nothing, and none of its rules could '
        "ever be true: nothing gives liquidation_distance\n"
    )


def test_a_report_that_cannot_be_written_ends_with_two(folder: Path) -> None:
    (folder / "my.test.toml").write_text(PASSES)
    result = run("my.test.toml", "--junit", "no/such/folder.xml")
    assert (result.exit_code, result.stderr) == (
        2,
        "no/such/folder.xml: cannot be written: No such file or directory\n",
    )


def test_what_came_unexpected_says_why() -> None:
    text = described(
        FAILS.partition("[[test.expect]]")[0].replace("every", "expect = []\nevery"), RULES
    )
    assert text.splitlines() == [
        'rules.test.toml:2: test "near & <nearer>" failed',
        "      expected    happened",
        "    >              5s  fired      info     near  BTCUSDT",
        "                  15s  escalated  warning  near  BTCUSDT",
        "    at 5s, unexpected: INFO: BTCUSDT long (main): near",
        "        liquidation distance 9.0 %: info (liquidation_distance < 20%)",
    ]


def test_what_is_missing_after_a_position_closed_says_so() -> None:
    test = """
[[test]]
name = "t"
every = "5s"
[[test.position]]
symbol = "BTCUSDT"
side = "long"
liquidation_distance = "30%"
[test.series]
quantity = ["1", "0x3"]
[[test.expect]]
at = "10s"
kind = "fired"
severity = "info"
"""
    rules = RULES.partition('\n[[rule]]\nname = "forced"')[0]
    assert described(test, rules).splitlines()[3:] == [
        '    rule "near" on BTCUSDT around 10s:',
        "            5s  it is not there",
        "           10s  it is not there",
        "           15s  it is not there",
    ]


def test_examples_of_the_documents_are_run() -> None:
    """A test in a document is about the rules of the example before it."""
    assert examples.wrong_test(PASSES, RULES) is None
    assert 'test "near & <nearer>" failed' in str(examples.wrong_test(FAILS, RULES))
    assert "did you mean `every`?" in str(
        examples.wrong_test(PASSES.replace("every", "evry"), RULES)
    )
