"""Right files that look odd are taken: what is strict with slips must not be so with the rest."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import main
from monitor.rulefile import parse_rules
from monitor.ruletest.reading import parse_tests
from monitor.ruletest.verdict import judge
from tests.test_ruletest_faults import RULES


def cases(name: str) -> list[object]:
    """Read a table of right files."""
    pieces = (Path(__file__).parent / name).read_text().split("\n== ")[1:]
    return [pytest.param(text, id=title) for title, _, text in (p.partition("\n") for p in pieces)]


@pytest.mark.parametrize("text", cases("right_rules.txt"))
def test_a_right_rule_file_is_taken(text: str) -> None:
    rules = parse_rules(text)
    assert len(rules) == text.count("name")
    assert parse_rules(text.replace("\n", "\r\n")) != ()


@pytest.mark.parametrize("text", cases("right_tests.txt"))
def test_a_right_test_passes(text: str) -> None:
    file = parse_tests(text, parse_rules(RULES), "my.test.toml")
    assert [verdict.case.name for case in file.cases if not (verdict := judge(case)).passed] == []
    assert file.cases


def test_both_are_taken_by_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules").mkdir()
    for number, piece in enumerate(cases("right_rules.txt")):
        text = piece.values[0]  # type: ignore[attr-defined]  # of pytest.param
        Path(f"rules/{number}.toml").write_text(text.replace("\n", "\r\n"), newline="")
        checked = CliRunner().invoke(main, ["check", "--rules", f"rules/{number}.toml"])
        assert (checked.exit_code, "fault" in checked.stderr) == (0, False), text
    Path("rules/my.toml").write_text(RULES)
    for piece in cases("right_tests.txt"):
        text = piece.values[0]  # type: ignore[attr-defined]
        Path("rules/my.test.toml").write_text(text)
        tested = CliRunner().invoke(main, ["test", "rules/my.test.toml"])
        assert tested.exit_code == 0, tested.output
