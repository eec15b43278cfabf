"""What a test's rules told against what it expected: exhaustive, and exact in time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from monitor.core.language.units import Scope
from monitor.core.message import compose
from monitor.core.notices import Notice
from monitor.core.rules import Rule
from monitor.ruletest.model import Case, Expected, Subject
from monitor.ruletest.stage import EPOCH, Stage


@dataclass(frozen=True, slots=True)
class Heard:
    """A notice in the words of a test."""

    at: int
    kind: str
    severity: str
    rule: str
    ids: tuple[str, ...]
    """Every name that an expectation may call its target, the one to show first."""
    account: str
    reason: str | None
    happening: str | None
    count: int | None
    notice: Notice
    source: Rule | None
    """The rule."""

    @property
    def text(self) -> tuple[str, ...]:
        """Title and lines of the message, without the footer: its number and time are no one's."""
        message = compose(self.notice, self.source, now_utc=self.notice.at, zone=UTC)
        return (message.title, *message.body.split("\n")[:-1])

    @property
    def id(self) -> str:
        """What a timeline calls its target."""
        return self.ids[0] if self.ids else self.account


@dataclass(frozen=True, slots=True)
class Pair:
    """What was expected beside what came; one of them may be missing."""

    expected: Expected | None
    heard: Heard | None
    fits: bool

    @property
    def at(self) -> int:
        """When."""
        one = self.expected or self.heard
        assert one is not None  # noqa: S101 - a pair of nothing is never made
        return one.at


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one test ended."""

    case: Case
    pairs: tuple[Pair, ...]
    """By time; of an instant first what fits."""

    @property
    def passed(self) -> bool:
        """Whether everything that was expected came, and nothing else."""
        return all(pair.fits for pair in self.pairs)


def judge(case: Case) -> Verdict:
    """Play a test and compare."""
    rules = {rule.name: rule for rule in case.rules}
    heard = [_heard(notice, case, rules) for notice in Stage(case).play()]
    pairs: list[Pair] = []
    instants = {each.at for each in case.expected} | {each.at for each in heard}
    for at in sorted(instants):
        wanted = [each for each in case.expected if each.at == at]
        came = [each for each in heard if each.at == at]
        pairs += _paired(wanted, came)
    return Verdict(case, tuple(pairs))


def _paired(wanted: list[Expected], came: list[Heard]) -> list[Pair]:
    """Put together what fits, and then, as far as there is something, what does not."""
    fitting, missing = [], []
    for expected in wanted:
        found = next((each for each in came if fits(expected, each)), None)
        if found is None:
            missing.append(expected)
        else:
            came.remove(found)
            fitting.append(Pair(expected, found, fits=True))
    longest = max(len(missing), len(came))
    left: Sequence[Expected | None] = [*missing, *[None] * (longest - len(missing))]
    right: Sequence[Heard | None] = [*came, *[None] * (longest - len(came))]
    rest = [Pair(one, other, fits=False) for one, other in zip(left, right, strict=True)]
    return [*fitting, *rest]


def fits(expected: Expected, heard: Heard) -> bool:
    """Tell whether a notice is what was expected of its instant."""
    return (
        expected.kind == heard.kind
        and expected.severity.word == heard.severity
        and expected.rule in {None, heard.rule}
        and (expected.id is None or expected.id in heard.ids)
        and expected.account in {None, heard.account}
        and expected.reason in {None, heard.reason}
        and expected.happening in {None, heard.happening}
        and expected.count in {None, heard.count}
        and (expected.message is None or says(expected.message, heard.text))
    )


def says(message: str, text: Sequence[str]) -> bool:
    """Tell whether a message begins with the expected lines, with its title or without."""
    lines = message.rstrip("\n").split("\n")
    return list(text[: len(lines)]) == lines or list(text[1 : len(lines) + 1]) == lines


def _heard(notice: Notice, case: Case, rules: Mapping[str, Rule]) -> Heard:
    target = notice.target
    ids = dict.fromkeys(subject.id for subject in _targets(case.subjects, notice))
    ids |= dict.fromkeys(name for name in (target.symbol or target.asset,) if name)
    return Heard(
        notice.at - EPOCH,
        notice.kind,
        notice.severity.word,
        notice.rule,
        tuple(ids),
        target.account,
        notice.reason,
        notice.happening,
        notice.count,
        notice,
        rules.get(notice.rule),
    )


def _targets(subjects: Iterable[Subject], notice: Notice) -> list[Subject]:
    return [
        subject
        for subject in subjects
        if subject.scope is not Scope.ACCOUNT and subject.is_target(notice.target)
    ]
