"""Lints of what is told twice: two rules that say the same, in whatever words."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from monitor.core.language.relax import TURNED, turned
from monitor.core.language.tree import Checked, Comparison, Constant, Joined, Membership
from monitor.core.lints.finding import Finding, Surroundings
from monitor.core.rules import Globs, Rule, Severity


def twice_findings(rules: Sequence[Rule], around: Surroundings | None) -> Iterator[Finding]:
    """Find levels and happenings of which an earlier rule tells the same people."""
    levels: dict[Hashable, list[tuple[Rule, Severity]]] = {}
    happenings: dict[str, list[Rule]] = {}
    for rule in rules:
        for level in rule.levels:
            known = levels.setdefault(_meaning(level.condition.tree), [])
            twin = next((each for each in known if _meet(each[0], rule, around)), None)
            known.append((rule, level.severity))
            if twin is not None and twin[0] is not rule:
                yield Finding(
                    "same-condition",
                    f'rule "{twin[0].name}" has this condition too, as its {twin[1].word}: it is '
                    "told twice",
                    "leave one of them out, or give them different accounts, symbols or channels",
                    rule.name,
                    level.severity,
                    (level.severity.word,),
                    1,
                )
        for number, kind in enumerate(rule.on):
            others = happenings.setdefault(kind, [])
            other = next((each for each in others if _meet(each, rule, around)), None)
            others.append(rule)
            if other is not None:
                yield Finding(
                    "same-condition",
                    f'rule "{other.name}" is about "{kind}" too: it is told twice',
                    "leave one of them out, or give them different accounts, symbols or channels",
                    rule.name,
                    rule.severity,
                    ("on", number),
                )


def _meet(one: Rule, other: Rule, around: Surroundings | None) -> bool:
    """Tell whether two rules speak of the same thing to the same people, as far as one can tell."""
    apart = (
        one.channels is not None
        and other.channels is not None
        and set(one.channels).isdisjoint(other.channels)
    )
    if apart or not _overlap(one.symbols, other.symbols):
        return False
    if around is None:
        return _overlap(one.accounts, other.accounts)
    return bool(set(around.accounts_of(one)) & set(around.accounts_of(other)))


def _overlap(one: Globs, other: Globs) -> bool:
    return one == other or Globs() in {one, other}


def _meaning(tree: Checked) -> Hashable:
    """Write a condition in one way, however it was written."""
    if isinstance(tree, Joined):
        parts = frozenset(_parts(tree, tree.operator))
        return (tree.operator, parts) if len(parts) > 1 else next(iter(parts))
    if isinstance(tree, Membership) and len(tree.items) == 1:
        return ("!=" if tree.negated else "==", tree.operand, Constant(tree.items[0]))
    if not isinstance(tree, Comparison):
        return tree
    tree = turned(tree)
    if not isinstance(tree.right, Constant) and repr(tree.left) > repr(tree.right):
        operator = TURNED[tree.operator]
        tree = replace(tree, operator=operator, left=tree.right, right=tree.left)
    return (tree.operator, tree.left, tree.right)


def _parts(tree: Checked, operator: str) -> Iterator[Hashable]:
    if isinstance(tree, Joined) and tree.operator == operator:
        for part in tree.parts:
            yield from _parts(part, operator)
    else:
        yield _meaning(tree)
