"""Where each stroke and word of a picture goes."""

from collections.abc import Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.charting import Level, Scene, chart_of
from monitor.core.plotting import (
    ADVANCE,
    HEIGHT,
    LABEL,
    WIDTH,
    Ink,
    Plot,
    Words,
    pieces,
    plot,
    price_range,
    price_ticks,
    spread,
    time_ticks,
)
from monitor.core.trails import LENGTH, Sample

D = Decimal
EPOCH = 1_767_322_800_000  # 2026-01-02T03:00:00Z
MINUTE = 60_000


def samples(*prices: str, every: int = 5_000) -> list[Sample]:
    return [Sample(EPOCH + index * every, D(text)) for index, text in enumerate(prices)]


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        ("57900", "62200", ["58,000", "59,000", "60,000", "61,000", "62,000"]),
        ("57900", "58100", ["57,900", "57,950", "58,000", "58,050", "58,100"]),
        ("0.2001", "0.2104", ["0.2025", "0.2050", "0.2075", "0.2100"]),
        ("0.00001173", "0.00001309", ["0.0000120", "0.0000125", "0.0000130"]),
        ("0", "4.4", ["0", "1", "2", "3", "4"]),
        (
            "99999999",
            "100000001",
            ["99,999,999.0", "99,999,999.5", "100,000,000.0", "100,000,000.5", "100,000,001.0"],
        ),
    ],
)
def test_prices_at_the_axis_are_few_and_round(low: str, high: str, texts: list[str]) -> None:
    assert [text for _, text in price_ticks(D(low), D(high))] == texts


@given(
    low=st.decimals("1e-8", "1e6", places=8),
    part=st.decimals("0.001", "5", places=3),
)
def test_prices_at_the_axis_differ_and_are_inside(low: Decimal, part: Decimal) -> None:
    ticks = price_ticks(low, low * (1 + part))
    assert 2 <= len(ticks) <= 6
    assert all(low <= at <= low * (1 + part) for at, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks)
    assert all(D(text.replace(",", "")) == at for at, text in ticks)


@pytest.mark.parametrize(
    ("span", "offset", "texts"),
    [
        (60, 0, ["03:00", "03:10", "03:20", "03:30", "03:40", "03:50", "04:00"]),
        (40, 0, ["03:00", "03:10", "03:20", "03:30", "03:40"]),
        (5, 60, ["04:00", "04:01", "04:02", "04:03", "04:04", "04:05"]),
        (60, 345, ["08:50", "09:00", "09:10", "09:20", "09:30", "09:40"]),  # Nepal
        (60, -570, ["17:30", "17:40", "17:50", "18:00", "18:10", "18:20", "18:30"]),
    ],
)
def test_times_at_the_axis_are_round_by_the_clock_of_the_zone(
    span: int, offset: int, texts: list[str]
) -> None:
    zone: tzinfo = timezone(timedelta(minutes=offset))
    found = time_ticks(EPOCH, EPOCH + span * MINUTE, zone)
    assert [text for _, text in found] == texts


@pytest.mark.parametrize(
    ("marks", "levels", "inside"),
    [
        (["100", "101"], ["99", "95", "50"], ["99", "95"]),
        # An hour in which nothing moved: 12 % of the mark fit.
        (["100"], ["89", "100.5"], ["89", "100.5"]),
        (["100"], ["87"], []),
        # Of two that do not fit together the nearer one is shown.
        (["100", "100"], ["94", "107"], ["94"]),
        (["0.00001", "0.000011"], ["0.000009"], ["0.000009"]),
        (["100"], [], []),
    ],
)
def test_a_level_is_inside_while_the_marks_do_not_look_flat(
    marks: list[str], levels: list[str], inside: list[str]
) -> None:
    low, high = price_range(samples(*marks), [D(each) for each in levels])
    assert all(low < D(each) < high for each in marks)
    assert [each for each in levels if low <= D(each) <= high] == inside


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([], []),
        ([50], [50]),
        ([-5], [0]),
        ([120], [100]),
        ([10, 60], [10, 60]),
        ([10, 15], [10, 30]),
        ([95, 98], [80, 100]),
        ([50, 50, 50], [50, 70, 90]),
        ([90, 90, 90], [60, 80, 100]),
        ([0, 85, 99], [0, 80, 100]),
    ],
)
def test_labels_are_moved_apart(wanted: list[float], placed: list[float]) -> None:
    assert spread(wanted, 20, 0, 100) == placed


@given(st.lists(st.floats(-50, 550), max_size=10))
def test_labels_never_overlap_and_stay_in_order(wanted: list[float]) -> None:
    placed = spread(sorted(wanted), 32, 0, 400)
    assert all(after - before >= 32 - 1e-9 for before, after in pairwise(placed))
    assert all(-1e-9 <= each <= 400 + 1e-9 for each in placed)


def test_nobody_saw_what_is_between_two_samples_far_apart() -> None:
    one, two, three = Sample(0, D(1)), Sample(30_000, D(2)), Sample(60_001, D(3))
    assert list(pieces([one, two, three])) == [[one, two], [three]]


# ------------------------------------------------------------------ the whole picture


def laid_out(
    marks: Sequence[Sample], scene: Scene | None = None, levels: Sequence[Level] = ()
) -> Plot:
    utc = marks[-1].at if marks else EPOCH
    now = marks[-1].price if marks else D(100)
    made = scene or Scene(now, D(102), D(97), D("0.03"))
    chart = chart_of("BTCUSDT long (main)", made, marks, levels, utc=utc, zone=UTC)
    assert chart is not None
    return plot(chart)


FALL = samples("101", *["100.5"] * 59, "100")
"""Five minutes."""


def texts(made: Plot) -> list[str]:
    return [words.text for words in made.words]


def test_a_position_in_words() -> None:
    made = laid_out(
        FALL,
        levels=[Level(D(99), "critical", below=True), Level(D("101.5"), "warning", below=False)],
    )
    assert texts(made) == [
        "BTCUSDT long (main)",
        "mark 100 · liquidation 97, 3.0 % away",
        "98",
        "100",
        "102",
        "03:00",
        "03:01",
        "03:02",
        "03:03",
        "03:04",
        "03:05",
        "UTC",
        "entry 102",
        "warning > 101.5",
        "now 100",
        "critical < 99",
        "liquidation 97",
    ]


def lines(made: Plot, ink: Ink) -> list[list[tuple[float, float]]]:
    return [[(at.x, at.y) for at in one.points] for one in made.strokes if one.ink is ink]


def test_lines_are_where_their_prices_are() -> None:
    made = laid_out(FALL)
    (line, tie) = lines(made, Ink.LIQUIDATION)
    (left, y), (right, other) = line
    assert y == other == tie[0][1]
    (ground,) = made.blocks
    assert ground.upper_left == (left, y)
    assert ground.lower_right.x == right
    trail, _ = lines(made, Ink.MARK)
    assert (trail[0][0], trail[-1][0]) == (left, right)
    (now,) = made.dots
    assert now.at == trail[-1]
    # 102 is the entry: prices are to scale.
    entry = lines(made, Ink.ENTRY)[0][0][1]
    assert (y - now.at.y) / (y - entry) == pytest.approx(3 / 5)


def test_the_ground_beyond_a_short_s_liquidation_is_above() -> None:
    made = laid_out(samples("100"), Scene(D(100), D(99), D(103), D("0.03")))
    (ground,) = made.blocks
    line = lines(made, Ink.LIQUIDATION)[0]
    assert ground.lower_right.y == line[0][1]
    assert ground.upper_left.y < line[0][1]


def test_what_is_too_far_away_stands_at_the_edge_with_an_arrow() -> None:
    made = laid_out(samples("100"), Scene(D(100), D(140), D(50), D("0.5")))
    assert made.blocks == []
    (arrow,) = lines(made, Ink.LIQUIDATION)
    assert arrow[1][1] > arrow[0][1] == arrow[2][1], "it points down"
    (up,) = lines(made, Ink.ENTRY)
    assert up[1][1] < up[0][1] == up[2][1], "it points up"
    labels = [words.text for words in made.words if words.size == LABEL]
    assert labels == ["entry 140", "now 100", "liquidation 50"]


def test_one_sample_is_a_dot() -> None:
    made = laid_out([])
    assert len(lines(made, Ink.MARK)) == 1, "the tie of its label"
    (now,) = made.dots
    assert now.radius == 8


def test_an_hour_at_most_is_shown_and_a_gap_has_no_line() -> None:
    marks = [
        Sample(EPOCH + at, D(100))
        for at in range(0, LENGTH + 1, 5_000)
        if not 20 * MINUTE < at < 30 * MINUTE
    ]
    made = laid_out(marks)
    one, two, _ = lines(made, Ink.MARK)
    left, right = one[0][0], two[-1][0]
    assert (one[-1][0] - left) / (right - left) == pytest.approx(1 / 3)
    assert (two[0][0] - left) / (right - left) == pytest.approx(1 / 2)


def test_letters_that_the_font_lacks_are_left_out_and_long_titles_are_cut() -> None:
    chart = chart_of("币安USDT long (é)", Scene(D(1)), [], [], utc=EPOCH, zone=UTC)
    assert chart is not None
    assert plot(chart).words[0].text == "…USDT long (é)"
    chart = chart_of("X" * 100, Scene(D(1)), [], [], utc=EPOCH, zone=UTC)
    assert chart is not None
    assert plot(chart).words[0].text == "X" * 40 + "…"


def box(words: Words) -> tuple[float, float, float, float]:
    """The rectangle that words take at most."""
    width, half = len(words.text) * words.size * ADVANCE, words.size * 0.6
    left = words.at.x - {"l": 0.0, "m": width / 2, "r": width}[words.anchor[0]]
    return left, words.at.y - half, left + width, words.at.y + half


PRICES = st.decimals("0.5", "2", places=3)


@given(
    scale=st.sampled_from([D("0.00001"), D("0.01"), D(1), D(60_000)]),
    marks=st.lists(PRICES, max_size=5),
    entry=PRICES,
    liquidation=PRICES,
    turns=st.lists(st.tuples(PRICES, st.sampled_from(["info", "warning", "critical"])), max_size=6),
)
def test_no_words_overlap_and_none_leaves_the_picture(
    scale: Decimal,
    marks: list[Decimal],
    entry: Decimal,
    liquidation: Decimal,
    turns: list[tuple[Decimal, str]],
) -> None:
    made = laid_out(
        [Sample(EPOCH + index * 700_000, each * scale) for index, each in enumerate(marks)],
        Scene((marks or [D(1)])[-1] * scale, entry * scale, liquidation * scale, D("0.1")),
        [Level(price * scale, word, below=True) for price, word in turns],
    )
    labels = [box(words) for words in made.words if words.size == LABEL]
    assert all(left >= 0 and right <= WIDTH for left, _, right, _ in labels)
    assert all(top >= 0 and bottom <= HEIGHT for _, top, _, bottom in map(box, made.words))
    for one, two in pairwise(sorted(labels, key=lambda each: each[1])):
        assert two[1] >= one[1] + LABEL
