"""Lints of whom rules are about: accounts, symbols and assets that are not there."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from monitor.core.language.tree import Comparison, Constant, Leaf, Matching, Read, leaves
from monitor.core.language.units import Unit
from monitor.core.lints.finding import Finding, Surroundings, Trail
from monitor.core.rules import Globs, Level, Rule
from monitor.core.slips import asset_meant, symbol_meant
from monitor.core.wording import among

_FOREIGN: Final = re.compile(r"[a-z\s/:,;|(){}<>=#$]")
"""What stands in no symbol and no asset of any venue."""
_SET: Final = re.compile(r"\[[^\]]*\]")
_CODES: Final = frozenset({"symbol", "asset"})


def target_findings(rule: Rule, around: Surroundings | None) -> Iterator[Finding]:
    """Find what a rule names and that does not exist."""
    names = None if around is None else [name for name, _ in around.accounts]
    for at, text, hint in _idle(rule.accounts, "account", names):
        yield Finding("applies-to-nothing", text, hint, rule.name, at=("accounts", *at))
    for at, text, hint in _idle(rule.symbols, "symbol", None):
        yield Finding("applies-to-nothing", text, hint, rule.name, at=("symbols", *at))
    for number, pattern in enumerate(rule.symbols.patterns):
        text, hint = _misspelt("symbol", pattern)
        if text:
            yield Finding("applies-to-nothing", text, hint, rule.name, at=("symbols", number))
    for level in rule.levels:
        yield from _misspelt_texts(rule, level)


def channel_globs(rules: Sequence[Rule], around: Surroundings) -> Iterator[Finding]:
    """Find globs of channels that match no account or no rule."""
    accounts, names = [name for name, _ in around.accounts], [rule.name for rule in rules]
    for number, channel in enumerate(around.channels):
        for key, globs, kind, known in (
            ("accounts", channel.accounts, "account", accounts),
            ("rules", channel.rules, "rule", names),
        ):
            for at, text, hint in _idle(globs, kind, known):
                where = ("channel", number, key, *at)
                yield Finding("applies-to-nothing", text, hint, at=where)


def _idle(globs: Globs, kind: str, names: Sequence[str] | None) -> Iterator[tuple[Trail, str, str]]:
    """Find globs that match none of the names, or that later ones take away whatever it is."""
    if _takes_nothing(globs):
        text = f"this list takes no {kind}: its last `!` takes everything away again"
        yield (), text, "the last match wins: put what takes away before what it shall not take"
        return
    if names is None:
        return
    idle = [
        (number, plain)
        for number, plain in enumerate(each.removeprefix("!") for each in globs.patterns)
        if plain != "*" and not any(map(Globs([plain]).match, names))
    ]
    for number, plain in idle:
        yield (number,), f'"{plain}" matches no {kind}', _meant(plain, names)
    if not idle and not any(map(globs.match, names)):
        yield (), f"this list matches no {kind}", _meant("", names)


def _meant(pattern: str, names: Sequence[str]) -> str:
    near = get_close_matches(pattern, names, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"there {'is' if len(names) == 1 else 'are'} {among(names)}"


def _takes_nothing(globs: Globs) -> bool:
    """Tell whether each glob that takes is taken away whole by a later one."""
    patterns = globs.patterns
    takes = [(at, each) for at, each in enumerate(patterns) if not each.startswith("!")]
    if not takes:
        return "!*" in patterns
    return all(
        any(later.startswith("!") and _covers(later[1:], pattern) for later in patterns[at + 1 :])
        for at, pattern in takes
    )


def _covers(one: str, other: str) -> bool:
    """Tell whether a glob surely matches all that another one does.

    Where its only wild mark is `*`, each mark of the other has to be met by one of those: read as
    a text, the other then stands for all that it matches.
    """
    return one == other or (not set("?[") & set(one) and Globs([one]).match(other))


def _misspelt(word: str, pattern: str) -> tuple[str, str]:
    """Say what is wrong with a text that no symbol or asset can be; "" where nothing is."""
    if not _FOREIGN.search(_SET.sub("", pattern)):
        meant = (symbol_meant if word == "symbol" else asset_meant)(pattern)
        if not meant:
            return "", ""
        return f'"{pattern}" looks like a slip: no {word} is like that', f'did you mean "{meant}"?'
    better = _FOREIGN.sub(lambda found: found[0].upper() if found[0].isalpha() else "", pattern)
    return (
        f'no {word} is "{pattern}": they are written in capitals, in one piece',
        f'did you mean "{better}"?',
    )


def _misspelt_texts(rule: Rule, level: Level) -> Iterator[Finding]:
    for leaf in leaves(level.condition.tree):
        word, texts = _texts_of(leaf)
        for each in texts if word in _CODES else ():
            text, hint = _misspelt(word, each)
            if text:
                yield Finding(
                    "applies-to-nothing",
                    text,
                    hint,
                    rule.name,
                    level.severity,
                    (level.severity.word,),
                    leaf.column,
                )


def _texts_of(leaf: Leaf) -> tuple[str, tuple[str, ...]]:
    """Give the word and the texts of a comparison of a word with texts; else nothing."""
    if isinstance(leaf, Comparison):
        match (leaf.left, leaf.right):
            case (Read(name), Constant(value)) | (Constant(value), Read(name)):
                return name, (str(value),) if leaf.unit is Unit.TEXT else ()
            case _:
                return "", ()
    word = leaf.operand.name if isinstance(leaf.operand, Read) else ""
    if isinstance(leaf, Matching):
        return word, (leaf.pattern,)
    return word, tuple(item for item in leaf.items if isinstance(item, str))
