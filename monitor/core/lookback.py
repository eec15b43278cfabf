"""Metrics by the name that conditions read them by, functions of the past among them.

`drop(equity, 1d)` is a metric like those of the table: it has a unit and a scope, rests on what
equity rests on, and is computed from a view. What it looks back at is kept by `recording.py`.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache

from monitor.core.freshness import HOLE
from monitor.core.language.history import FUNCTIONS, duration, word_of
from monitor.core.language.literals import read_number
from monitor.core.language.units import History
from monitor.core.metrics import METRICS, VOCABULARY, Direction, Figure, Metric, View

_WORD = re.compile(
    rf"(?P<function>{'|'.join(FUNCTIONS)})\(\s*(?P<metric>\w+)\s*,\s*(?P<span>[\w.]+)\s*\)|[a-z_]+"
)
_CALL = re.compile(rf"(?P<function>{'|'.join(FUNCTIONS)})\((?P<metric>\w+), (?P<span>\w+)\)")
"""As `language.history` names them."""


def names_in(condition: str) -> Iterator[str]:
    """List the metrics that the text of a condition reads, by the names that notices have."""
    for word in _WORD.finditer(re.sub(r'"[^"]*"', "", condition)):
        span = read_number(word["span"] or "")
        if word["function"] and word["metric"] in METRICS and span is not None:
            yield f"{word['function']}({word['metric']}, {duration(int(span[0]))})"
        elif word[0] in METRICS:
            yield word[0]


@cache
def metric_named(name: str) -> Metric:
    """Find a metric by the name that conditions, notices and messages have for it.

    Raises:
        KeyError: There is none.
    """
    found = _CALL.fullmatch(name)
    if found is None:
        return METRICS[name]
    read = read_number(found["span"])
    if read is None:
        raise KeyError(name)
    return _looking_back(History(found["function"], found["metric"], int(read[0])))


def _looking_back(history: History) -> Metric:
    metric = METRICS[history.metric]
    word = word_of(history, VOCABULARY[history.metric])

    def compute(view: View) -> Figure:
        return _answer(view, word.name, metric, history)

    return Metric(
        word.name,
        word.unit,
        word.scope,
        f"{history.function} of {history.metric}",
        compute,
        metric.rests,
        metric.rests_cross,
        Direction.NONE,
        Direction.NONE,
        reach=word.reach,
        absent_where=word.absent_where,
        history=history,
    )


def _answer(view: View, name: str, metric: Metric, history: History) -> Figure:
    """Look back from a view; where a part of the window was not seen, the answer is doubted."""
    figure = view.figure(metric.name, metric.compute)
    if not isinstance(figure, Decimal):
        return figure
    window = view.window(metric.scope, history.metric, history.span)
    if window is None:
        return None
    value, doubtful = window.answer(history.function, view.now.ticks)
    doubts = view.doubts.get(metric.name, 0) | (HOLE if doubtful else 0)
    if doubts:
        view.doubt(name, doubts)
    return value


def next_change(view: View, metric: Metric) -> int | None:
    """Tell when a metric that looks back may change by time alone; None: it does not."""
    history = metric.history
    if history is None:
        return None
    window = view.window(metric.scope, history.metric, history.span)
    return None if window is None else window.next_change(history.function, view.now.ticks)
