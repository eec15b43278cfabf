"""Rule tests from text: what their rules told, in short."""

from monitor.rulefile import parse_rules
from monitor.ruletest.model import Case
from monitor.ruletest.reading import parse_tests
from monitor.ruletest.stage import EPOCH, Stage
from monitor.ruletest.timeline import describe
from monitor.ruletest.verdict import Verdict, judge

LONG = '[[test.position]]\nsymbol = "BTCUSDT"\nside = "long"\n'


def case_of(test: str, rules: str) -> Case:
    """Read a test, which is the only one of its file."""
    if "[[test]]" not in test:
        test = f'[[test]]\nname = "t"\n{test}'
    if "expect" not in test:  # what is told is read off the stage
        test = test.replace("[[test]]\n", "[[test]]\nexpect = []\n")
    (case,) = parse_tests(test, parse_rules(rules)).cases
    return case


def told(test: str, rules: str, *, judge_all: bool = False) -> list[str]:
    """Play a test and list all that was told: "15s fired info", with rule and target if several."""
    case = case_of(test, rules)
    several = len(case.rules) > 1 or len([s for s in case.subjects if s.declared and s.tracks]) > 1
    found = []
    for notice in Stage(case, judge_all=judge_all).play():
        words = [f"{(notice.at - EPOCH) / 1000:.10g}s", notice.kind, notice.severity.word]
        if several:
            words += [notice.rule, str(notice.target)]
        words += [each for each in (notice.reason, notice.happening) if each]
        found.append(" ".join(words))
    return found


def verdict_of(test: str, rules: str) -> Verdict:
    """Play a test and compare."""
    return judge(case_of(test, rules))


def described(test: str, rules: str) -> str:
    """Play a test that fails and write it out."""
    return "\n".join(describe(verdict_of(test, rules)))
