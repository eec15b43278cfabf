"""Lints of what can hold: levels against their metrics' reach, and against each other."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from monitor.core.language import proofs
from monitor.core.language.literals import plain
from monitor.core.language.tree import Checked, Joined, leaves, words_in
from monitor.core.language.units import ANYTHING, Unit, Word
from monitor.core.lints.finding import Finding, Surroundings, shortened
from monitor.core.rules import Level, Rule, Severity

_LONGEST_CRITICAL: Final = 5_000
_UNITS: Final = {Unit.RATIO: (100, "%"), Unit.MULTIPLE: (1, "x"), Unit.DURATION: (1, "ms")}


def condition_findings(rule: Rule, around: Surroundings | None) -> Iterator[Finding]:
    """Find what is odd in the levels of a rule."""
    possible = []
    for level in rule.levels:
        constant = _constant(rule, level, around)
        if constant is not None:
            yield constant
        if constant is None or constant.code == "always-true":
            possible.append(level)
            yield from _dead_parts(rule, level)
        yield from _absent_parts(rule, level)
        yield from _zeros(rule, level)
        if level.severity is Severity.CRITICAL and level.on_delay > _LONGEST_CRITICAL:
            yield Finding(
                "slow-critical",
                f"waits for {plain(Decimal(level.on_delay) / 1000)} s before anybody is told; a "
                "position near liquidation can be gone by then",
                'at most for = { critical = "5s" }; lower levels may wait longer',
                rule.name,
                level.severity,
                ("for", level.severity.word),
            )
    for number, level in enumerate(possible):
        yield from _hidden(rule, level, possible[number + 1 :])


def _constant(rule: Rule, level: Level, around: Surroundings | None) -> Finding | None:
    """Find a level that its metrics cannot reach, or cannot leave, or not where the rule is."""
    condition, where = level.condition, (rule.name, level.severity, (level.severity.word,), 1)
    words = {word.name: word for word in condition.words}
    hint = "change the threshold, or leave the level out"
    if proofs.never(condition):
        why = _because(condition.tree, words, wanted=True)
        return Finding("never-true", f"this can never hold: {why}", hint, *where)
    if proofs.always(condition):
        why = _because(condition.tree, words, wanted=False)
        return Finding("always-true", f"this always holds: {why}", hint, *where)
    matched = [] if around is None else around.accounts_of(rule)
    if not matched or not {"account", "venue"} & set(condition.reads):
        return None
    for account, venue in matched:
        texts = {"account": frozenset({account}), "venue": frozenset({venue})}
        if not proofs.never(condition, texts):
            return None
    names = ", ".join(account for account, _ in matched)
    text = f"this can hold for none of the accounts that the rule matches: {names}"
    hint = "say which accounts in `accounts` alone"
    return Finding("applies-to-nothing", text, hint, *where)


def _because(tree: Checked, words: Mapping[str, Word], *, wanted: bool) -> str:
    """Say why a condition is never what it might be wanted to be."""
    free = {
        name: replace(word, reach=ANYTHING, known=None, absent_where=None)
        for name, word in words.items()
    }
    if not proofs.trees_may_be([(tree, wanted)], free):
        several = len(list(leaves(tree))) > 1
        if wanted:
            return "its comparisons exclude each other" if several else "nothing makes it so"
        return "its comparisons cover everything" if several else "everything makes it so"
    read = dict.fromkeys(name for leaf in leaves(tree) for name in words_in(leaf))
    deciding = {where[0] for name in read if (where := words[name].absent_where) is not None}
    reaches = (_reach(words[name]) for name in read if name not in deciding)
    return ", ".join(reach for reach in reaches if reach) or "of how far its metrics can go"


def _reach(word: Word) -> str:
    """Say what a word can be, where that has limits."""
    if word.known is not None:
        return f"{word.name} is {_either(word.known)}"
    if word.absent_where is not None:
        other, text = word.absent_where
        return f'{word.name} has no meaning where {other} is "{text}"'
    lo, hi = (_figure(end, word.unit) for end in word.reach)
    if lo and hi:
        return f"{word.name} is {lo} to {hi}"
    if lo:
        return f"{word.name} is {lo} or more"
    return f"{word.name} is {hi} at most" if hi else ""


def _either(texts: frozenset[str]) -> str:
    return " or ".join(f'"{text}"' for text in sorted(texts))


def _figure(end: Decimal, unit: Unit) -> str:
    if end.is_infinite():
        return ""
    factor, suffix = _UNITS.get(unit, (1, ""))
    if unit is Unit.DURATION and end == 0:
        return "0s"
    return f"{plain(end * factor)}{suffix}"


def _dead_parts(rule: Rule, level: Level) -> Iterator[Finding]:
    """Find parts of an `or` that cannot hold: somebody counts on an alarm that there is not."""
    words = {word.name: word for word in level.condition.words}
    for part in _alternatives(level.condition.tree):
        if proofs.trees_may_be([(part, True)], words):
            continue
        yield Finding(
            "never-true",
            f"this part of the `or` can never hold: {_because(part, words, wanted=True)}",
            "change the threshold, or leave the part out",
            rule.name,
            level.severity,
            (level.severity.word,),
            min(leaf.column for leaf in leaves(part)),
        )


def _absent_parts(rule: Rule, level: Level) -> Iterator[Finding]:
    """Find parts of an `or` about what some positions do not have, unless they say which."""
    words = {word.name: word for word in level.condition.words}
    told = set()
    for part in _alternatives(level.condition.tree):
        for leaf in leaves(part):
            for name in words_in(leaf):
                where = words[name].absent_where
                if where is None or where[0] in words or (name, leaf.column) in told:
                    continue
                told.add((name, leaf.column))
                yield Finding(
                    "absent-part",
                    f"a {where[1]} position has no {name}: this part of the `or` is false for it",
                    f"say whom it is for: {_other(where)} and …, or make a rule of it",
                    rule.name,
                    level.severity,
                    (level.severity.word,),
                    leaf.column,
                )


def _other(where: tuple[str, str]) -> str:
    word, text = where
    return f'{word} != "{text}"'


def _alternatives(tree: Checked) -> Iterator[Checked]:
    """List the parts of each `or`, from the outside in."""
    if isinstance(tree, Joined):
        for part in tree.parts:
            if tree.operator == "or" and not (isinstance(part, Joined) and part.operator == "or"):
                yield part
            yield from _alternatives(part)


def _zeros(rule: Rule, level: Level) -> Iterator[Finding]:
    if not rule.hysteresis:
        return
    for threshold in level.condition.thresholds:
        if threshold.value == 0 and threshold.operator not in {"==", "!="}:
            yield Finding(
                "zero-threshold",
                f"a threshold of 0 has no dead band: {plain(rule.hysteresis * 100)}% of it is "
                "nothing",
                "compare with a number other than 0, or use keep_firing_for",
                rule.name,
                level.severity,
                (level.severity.word,),
                threshold.column,
            )


def _hidden(rule: Rule, level: Level, higher: list[Level]) -> Iterator[Finding]:
    """Find a level that cannot fire by itself: a higher one holds too, and waits no longer."""
    for other in higher:
        if other.on_delay <= level.on_delay and proofs.implies(level.condition, other.condition):
            yield Finding(
                "hidden-level",
                f"{other.severity.word} ({shortened(other.condition.text)}) holds whenever this "
                f"does, so {level.severity.word} never fires by itself",
                f"make {other.severity.word} tighter, or leave {level.severity.word} out",
                rule.name,
                level.severity,
                (level.severity.word,),
                1,
            )
            return
