"""The text for Prometheus: by its conventions, whatever names stand in it."""

import pytest

from monitor.app.http.exposition import Family, Sample, exposition, histogram
from monitor.app.measuring import BOUNDS, Histogram
from tests import prometheus


def test_a_family_word_by_word() -> None:
    family = Family(
        "x_notices_total",
        "counter",
        'what "happened"\nto \\ it',
        [
            Sample(3, {"channel": 'a"b\\c\nd', "outcome": "sent"}),
            Sample(True, {}),
            Sample(0.25, {"channel": "é🐋"}),
        ],
    )
    assert exposition([family]) == (
        '# HELP x_notices_total what "happened"\\nto \\\\ it\n'
        "# TYPE x_notices_total counter\n"
        'x_notices_total{channel="a\\"b\\\\c\\nd",outcome="sent"} 3\n'
        "x_notices_total 1\n"
        'x_notices_total{channel="é🐋"} 0.25\n'
    )
    (read,) = prometheus.read(exposition([family])).values()
    assert read.samples["", (("channel", 'a"b\\c\nd'), ("outcome", "sent"))] == 3


def test_a_histogram_counts_upwards() -> None:
    turns = Histogram()
    for seconds in (0.00005, 0.0001, 0.0002, 0.3, 7.0):
        turns.add(seconds)
    text = exposition([histogram("x_turn_seconds", "How long.", BOUNDS, turns.counts, turns.total)])
    (read,) = prometheus.read(text).values()

    def upto(bound: str) -> float:
        return read.samples["_bucket", (("le", bound),)]

    assert [upto(bound) for bound in ("0.0001", "0.00025", "0.25", "1", "+Inf")] == [2, 3, 3, 4, 5]
    assert read.samples["_count", ()] == 5
    assert read.samples["_sum", ()] == pytest.approx(7.30035)


@pytest.mark.parametrize(
    "text",
    [
        "x 1\n",
        "# HELP x y\nx 1\n",
        "# HELP x y\n# TYPE x counter\nx 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1\nx 2\n",
        '# HELP x y\n# TYPE x gauge\nx{a="b} 1\n',
        '# HELP x y\n# TYPE x gauge\nx{a="b\n"} 1\n',
        '# HELP x y\n# TYPE x gauge\nx{a="\\t"} 1\n',
        "# HELP x y\n# TYPE x gauge\nx NaNs\n",
        "# HELP x_ms y\n# TYPE x_ms gauge\nx_ms 1\n",
        '# HELP x y\n# TYPE x histogram\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 2\n',
    ],
)
def test_the_reader_is_strict(text: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        prometheus.read(text)
