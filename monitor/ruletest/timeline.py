"""A failed test for a reader: both timelines side by side, and why something is missing."""

from collections.abc import Iterator
from dataclasses import replace

from monitor.core.events import Now
from monitor.core.judging import Watch, look, reading
from monitor.core.language.truth import Truth
from monitor.core.message import show
from monitor.ruletest.expects import duration
from monitor.ruletest.model import Case, Expected
from monitor.ruletest.possible import possible
from monitor.ruletest.stage import EPOCH, Stage
from monitor.ruletest.verdict import Heard, Pair, Verdict, fits

_TRUTHS = {Truth.TRUE: "true", Truth.FALSE: "false", Truth.UNKNOWN: "unknown"}


def describe(verdict: Verdict) -> list[str]:
    """Write a failed test: where it stands, both timelines, what is behind the first difference."""
    case = verdict.case
    lines = [f'{case.file}:{case.line}: test "{case.name}" failed', *_table(verdict)]
    wrong = [pair for pair in verdict.pairs if not pair.fits]
    # Where something came too early or too late, both places tell of it.
    missing = next((pair for pair in wrong if pair.expected is not None), wrong[0])
    lines += _why(case, wrong[0])
    if missing is not wrong[0]:
        lines += _why(case, missing)
    return lines


def _table(verdict: Verdict) -> Iterator[str]:
    left = [_expected(pair.expected) if pair.expected else [] for pair in verdict.pairs]
    right = [_heard(pair.heard) if pair.heard else [] for pair in verdict.pairs]
    ours, theirs = _columns(left), _columns(right)
    width = max([len("expected"), *map(len, ours)])
    yield f"      {'expected'.ljust(width)}    happened"
    marked = False
    for pair, one, other in zip(verdict.pairs, ours, theirs, strict=True):
        mark = " " if pair.fits or marked else ">"
        marked |= not pair.fits
        yield f"    {mark} {one.ljust(width)}    {other}".rstrip()


def _columns(rows: list[list[str]]) -> list[str]:
    """Line up the cells of one side."""
    widths = [max((len(row[at]) for row in rows if row), default=0) for at in range(3)]
    return [
        "  ".join(
            [
                row[0].rjust(widths[0]),
                row[1].ljust(widths[1]),
                row[2].ljust(widths[2]),
                *row[3:],
            ]
        ).rstrip()
        if row
        else ""
        for row in rows
    ]


def _expected(each: Expected) -> list[str]:
    more = [each.happening, each.rule, each.id, each.account, each.reason]
    named = [name for name in more if name]
    if each.count is not None:
        named.append(f"{each.count} times")
    return [duration(each.at), each.kind, each.severity.word, *named]


def _heard(each: Heard) -> list[str]:
    more = [each.happening, each.rule, each.id, each.reason]
    named = [name for name in more if name]
    if each.count is not None and each.count > 1:
        named.append(f"{each.count} times")
    return [duration(each.at), each.kind, each.severity, *named]


# ---------------------------------------------------------------- why


def _why(case: Case, first: Pair) -> Iterator[str]:
    """Say what is behind the first difference."""
    expected, heard = first.expected, first.heard
    if expected is not None and heard is not None:
        plain = replace(expected, message=None)
        if expected.message is not None and fits(plain, heard):
            yield f"    at {duration(first.at)} the message is another:"
            yield from _messages(expected.message, heard.text)
            return
    if expected is not None:
        yield from _around(case, expected)
    elif heard is not None:
        where = f"at {duration(heard.at)}, unexpected:"
        yield f"    {where} {heard.text[0]}"
        yield from (f"        {line}" for line in heard.text[1:2])


def _messages(expected: str, text: tuple[str, ...]) -> Iterator[str]:
    yield from (f"        expected  {line}" for line in expected.rstrip("\n").split("\n"))
    yield from (f"        happened  {line}" for line in text)


def _around(case: Case, expected: Expected) -> Iterator[str]:
    """Show a rule's numbers, truths and switches before, at and after an instant."""
    could = possible(case, expected.kind, expected.severity, expected.at)
    could = [
        each
        for each in could
        if expected.rule in {None, each.rule}
        and expected.id in {None, each.id}
        and expected.account in {None, each.account}
    ]
    if expected.kind == "happened" or not could:
        return
    meant = could[0]
    subject = next(
        each
        for each in case.subjects
        if (each.id, each.account) == (meant.id, meant.account)
        and each.scope is next(rule.scope for rule in case.rules if rule.name == meant.rule)
    )
    step = case.every or 1
    instants = [expected.at - step, expected.at, expected.at + step]
    yield f'    rule "{meant.rule}" on {meant.id} around {duration(expected.at)}:'
    stage = Stage(case)
    for at in instants:
        if not 0 <= at <= case.end:
            continue
        stage.play(at)
        watches = [
            watch
            for watch in stage.engine.watches()
            if watch.judge.rule.name == meant.rule and subject.is_target(watch.target)
        ]
        if watches:
            yield f"        {duration(at).rjust(6)}  {_seen(watches[0], Now(at, EPOCH + at))}"
        else:
            yield f"        {duration(at).rjust(6)}  it is not there"


def _seen(watch: Watch, now: Now) -> str:
    """Write what a rule sees of its target, and how its switches stand."""
    judge = watch.judge
    sight = look(watch.view(now), now.ticks + 1)
    values = [
        f"{metric.name} {show(metric.name, reading(sight, metric))}" for metric in judge.metrics
    ]
    truths = judge.truths(sight, relaxed=False)
    states = []
    for place, (level, truth) in enumerate(zip(judge.rule.levels, truths, strict=True)):
        state = "off"
        if watch.alert is not None:
            switch = watch.alert.switches[place]
            state = switch.state.value
            if state in {"rising", "falling"}:
                delay = level.on_delay if state == "rising" else level.off_delay
                passed = duration(min(switch.elapsed(now.ticks), delay))
                state += f" for {passed} of {duration(delay)}"
        states.append(f"{level.severity.word}: {_TRUTHS[truth]}, {state}")
    return " · ".join([*values, *states])
