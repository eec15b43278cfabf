"""Why a notice that a test expects can never come, whatever its figures do."""

from collections.abc import Sequence
from typing import NamedTuple

from monitor.core.language.units import Unit
from monitor.core.lookback import metric_named
from monitor.core.rules import Rule
from monitor.ruletest.judgeable import applies, missing
from monitor.ruletest.model import Case, Expected, Subject
from monitor.ruletest.possible import Possible, severities_of
from monitor.toml_positions.values import Wrong, listed, shown

_IMPOSSIBLE = {
    "escalated": (
        "nothing escalates to `{}`: it is the lowest level",
        'write "fired", or another severity',
    ),
    "eased": (
        "nothing eases to `{}`: it is the highest level",
        'write "resolved", or the severity that is left',
    ),
    "reminder": (
        'nothing of `{}` is reminded of: repeat = "never"',
        "give its rule a `repeat`, or leave this out",
    ),
}


class Never(NamedTuple):
    """The key whose value stands in the way, and what is wrong with it."""

    key: str
    wrong: Wrong


def why_never(expected: Expected, case: Case, could: Sequence[Possible]) -> Never:
    """Say why an expectation can never come true.

    Args:
        expected: What is expected; everything that it names exists.
        case: The test.
        could: What could come of this kind and severity at this instant, of other names.
    """
    kind, word = expected.kind, expected.severity.word
    rules = [rule for rule in case.rules if expected.rule in {None, rule.name}]
    if kind == "happened":
        return _never_happens(expected, case, rules)
    rules = [rule for rule in rules if rule.levels]
    if not rules:
        what = "it is about happenings, which have no levels"
        return Never("kind", Wrong(what, 'write "happened"'))
    if not any(expected.severity in severities_of(rule, "fired") for rule in rules):
        levels = {level.severity.word: None for rule in rules for level in rule.levels}
        who = f'rule "{expected.rule}" has no' if expected.rule else "no rule here has a"
        return Never("severity", Wrong(f"{who} level `{word}`", f"there is {listed(levels)}"))
    if not any(expected.severity in severities_of(rule, kind) for rule in rules):
        what, hint = _IMPOSSIBLE[kind]
        return Never("kind", Wrong(what.format(word), hint))
    named = "id" if expected.id else "account" if expected.account else "kind"
    if could:
        names = listed(dict.fromkeys(each.id or each.account for each in could))
        wrong = Wrong("the rule does not apply to it in this test", f"it can be about {names}")
        return Never(named, wrong)
    subjects = [each for rule in rules for each in case.of(rule.scope) if _is_meant(each, expected)]
    if not any(
        applies(rule, each) for rule in rules for each in subjects if each in case.of(rule.scope)
    ):
        wrong = Wrong("the rule does not apply to it in this test", _globs(rules, subjects))
        return Never(named, wrong)
    unknown = {
        name: None
        for rule in rules
        for each in case.of(rule.scope)
        if applies(rule, each) and _is_meant(each, expected)
        for name in missing(case, rule, each)
    }
    hint = _texts(rules, subjects)
    if unknown:
        hint = f"nothing gives {listed(unknown)}: add it to [test.series]"
    return Never("kind", Wrong("it can never be true here", hint))


def _is_meant(subject: Subject, expected: Expected) -> bool:
    return expected.id in {None, subject.id} and expected.account in {None, subject.account}


def _globs(rules: Sequence[Rule], subjects: Sequence[Subject]) -> str:
    """Show the globs that keep a rule from everything that could be meant."""
    for key, name in (("symbols", "symbol"), ("accounts", "account")):
        names = [text for each in subjects if (text := str(getattr(each, name)))]
        for rule in rules:
            globs = getattr(rule, key)
            if names and not any(map(globs.match, names)):
                taken = ", ".join(map(shown, globs.patterns))
                return f"its {key} are [{taken}], and here is {listed(dict.fromkeys(names))}"
    return "see its `symbols` and `accounts`"


def _texts(rules: Sequence[Rule], subjects: Sequence[Subject]) -> str:
    """Show the texts that a condition reads, as they are here."""
    read = dict.fromkeys(
        name for rule in rules for level in rule.levels for name in level.condition.reads
    )
    texts = [name for name in read if metric_named(name).unit is Unit.TEXT]
    here = {
        f"{name} is {shown(text)}": None
        for name in texts
        for each in subjects
        if (text := getattr(each, name, ""))
    }
    return f"here {', '.join(here)}" if here else "see the rule's conditions"


def _never_happens(expected: Expected, case: Case, rules: Sequence[Rule]) -> Never:
    about = [rule for rule in rules if rule.on]
    kinds = dict.fromkeys(kind for rule in about for kind in rule.on)
    if not about:
        who = f'rule "{expected.rule}" is' if expected.rule else "all rules here are"
        what = f"{who} about conditions, of which nothing `happened`"
        return Never("kind", Wrong(what, 'write "fired"'))
    if not any(rule.severity is expected.severity for rule in about):
        have = listed({rule.severity.word: None for rule in about})
        what = f"what happens here is {have}, never {expected.severity.word}"
        return Never("severity", Wrong(what, f"write {have}"))
    if expected.happening not in {None, *kinds}:
        what = f"no rule here is on {expected.happening}"
        return Never("happening", Wrong(what, f"there is {listed(kinds)}"))
    told = [each.happening for each in case.happenings if each.at <= expected.at]
    others = {each.kind: None for each in told if each.kind not in kinds}
    if len(others) == len({each.kind for each in told}):
        what = "nothing has happened by then that it is about"
        hint = f"it is on {listed(kinds)}; add a [[test.happening]]"
        if others:
            hint = f"it is on {listed(kinds)}, and what happens is {listed(others)}"
        return Never("kind", Wrong(what, hint))
    what = "what has happened by then is not what is expected"
    return Never("kind", Wrong(what, "see the rule's `symbols` and `accounts`"))
