"""Slips in right files: each is a fault with its place and a way out, or takes nothing away.

Right rule files and tests are damaged at random, by seed. Whatever comes of it: no traceback, every
fault with a file, a line inside of it, a column, the line with a caret, and a hint behind that.
"""

import random
import re
from pathlib import Path

import pytest

from monitor.errors import RuleFileError, RuleTestError
from monitor.rulefile import parse_rules
from monitor.ruletest.reading import parse_tests
from monitor.ruletest.timeline import describe
from monitor.ruletest.verdict import judge
from tests.test_ruletest_faults import RULES

VALUES = [
    '"x"',
    "5",
    "-1",
    "true",
    "[]",
    "{}",
    '["a"]',
    "inf",
    "nan",
    "1e400",
    '""',
    "2026-01-01",
    '"5%"',
    '"10x"',
    '"15s"',
    "{a=1}",
    "[[1]]",
    '"aged"',
    '"unknown"',
    "99999999999999999999999999",
    '"1+1x3"',
    '"BTC*"',
    '"["',
    '"{"',
    '"{roi}"',
    "0x10",
    "00:05:00",
    "'''x'''",
]
CHARS: list[str] = [*"[]{}\"'=.,#\\ \n\t*!%-+x05", "é", "漢", "\u200b", "\r", "“"]
LONGEST = 86_400_000
"""Longer tests, of a slip in a duration, are read and not played."""


def right(name: str) -> list[str]:
    pieces = (Path(__file__).parent / name).read_text().split("\n== ")[1:]
    return [piece.partition("\n")[2] for piece in pieces]


RIGHT_RULES, RIGHT_TESTS = right("right_rules.txt"), right("right_tests.txt")


def slip(text: str, chance: random.Random) -> str:
    """Damage a text in one place."""
    lines = text.split("\n")
    at, number = chance.randrange(len(text)), chance.randrange(len(lines))
    match chance.randrange(7):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return f"{text[:at]}{chance.choice(CHARS)}{text[at:]}"
        case 2:
            key, equals, _ = lines[number].partition("=")
            lines[number] = f"{key}{equals} {chance.choice(VALUES)}" if equals else key
        case 3:
            del lines[number]
        case 4:
            lines.insert(chance.randrange(len(lines)), lines[number])
        case 5:
            words: list[str] = re.findall(r"\w+", text) or ["x"]
            one, other = chance.choices(words, k=2)
            return text.replace(one, other, 1)
        case _:
            other_number = chance.randrange(len(lines))
            lines[number], lines[other_number] = lines[other_number], lines[number]
    return "\n".join(lines) or "\n"


def assert_usable(told: str, text: str) -> None:
    *faults, total = told.split("\n")
    heads = [line for line in faults if re.match(r"f\.toml:\d+:\d+: ", line)]
    assert total == f"{len(heads)} fault{'s' * (len(heads) > 1)} in 1 file", told
    assert len(faults) == 3 * len(heads), told
    for head, hint in zip(faults[::3], faults[2::3], strict=True):
        line, column = map(int, head.split(":")[1:3])
        assert 1 <= line <= text.count("\n") + 1, told
        assert 1 <= column <= max(map(len, text.split("\n"))) + 1, told
        assert hint.lstrip().startswith("^ "), told


@pytest.mark.parametrize("seed", range(4))
def test_a_slip_in_a_rule_file_is_told_or_harmless(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(250):
        text = slip(chance.choice(RIGHT_RULES), chance)
        try:
            parse_rules(text, "f.toml")
        except RuleFileError as exc:
            assert_usable(str(exc), text)


@pytest.mark.parametrize("seed", range(4))
def test_a_slip_in_a_rule_test_is_told_or_harmless(seed: int) -> None:
    chance, rules = random.Random(seed), parse_rules(RULES)
    for _ in range(250):
        text = slip(slip(chance.choice(RIGHT_TESTS), chance), chance)
        try:
            file = parse_tests(text, rules, "f.toml")
        except RuleTestError as exc:
            assert_usable(str(exc), text)
            continue
        for verdict in (judge(case) for case in file.cases if case.end < LONGEST):
            assert verdict.passed or describe(verdict)
