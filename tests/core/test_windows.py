"""Windows over a number's past: by hand, and against a list of everything there was."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.windows import BUCKETS, UNKNOWN, Answer, Row, Window

D = Decimal
MINUTE = 60_000
FUNCTIONS = ("change", "highest", "lowest", "average", "drop")


def window(
    *told: tuple[float, str | None], span: float = 60, patience: float = 0, at: float | None = None
) -> Window:
    """Make a window that was told numbers, instants in seconds; asked nothing yet."""
    made = Window(round(span * 1000), round(patience * 1000))
    for seconds, value in told:
        made.take(None if value is None else D(value), round(seconds * 1000))
    return made


def answers(made: Window, *seconds: float, function: str) -> list[str]:
    """Ask at instants in seconds; a doubtful answer has a `?` behind it."""
    found = []
    for each in seconds:
        value, doubtful = made.answer(function, round(each * 1000))
        found.append(("unknown" if value is None else f"{value:f}") + "?" * doubtful)
    return found


# ---------------------------------------------------------------- by hand

STORY = (0, "100"), (10, "120"), (20, "90"), (50, "110")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # at          59.999     60     69.999  70     79.999   80    109.999  110   200
        ("change", ["unknown", "10", "10", "-10", "-10", "20", "20", "0", "0"]),
        ("highest", ["unknown", "120", "120", "120", "120", "110", "110", "110", "110"]),
        ("lowest", ["unknown", "90", "90", "90", "90", "90", "90", "110", "110"]),
    ],
)
def test_a_value_leaves_when_the_next_one_is_as_old_as_the_window(
    function: str, expected: list[str]
) -> None:
    made = window(*STORY)
    instants = (59.999, 60, 69.999, 70, 79.999, 80, 109.999, 110, 200)
    assert answers(made, *instants, function=function) == expected


def test_a_drop_is_a_part_of_the_highest() -> None:
    made = window((0, "80"), (10, "100"), (20, "90"))
    assert answers(made, 59.999, 60, function="drop") == ["unknown", "0.1"]
    made.take(D(75), 65_000)
    assert answers(made, 65, 80, 125, function="drop") == ["0.25", f"{D(15) / 90:f}", "0"]


def test_a_drop_from_nothing_is_unknown() -> None:
    assert answers(window((0, "0"), (1, "-5")), 60, function="drop") == ["unknown"]
    assert answers(window((0, "Infinity"), (1, "5")), 60, function="drop") == ["unknown"]


def test_an_average_is_weighted_by_time() -> None:
    made = window((0, "0"), (30, "6"), (50, "60"))
    # 30 s of 0, 20 s of 6, 10 s of 60; a minute later 60 alone.
    assert answers(made, 59, 60, 75, 90, 110, 500, function="average") == [
        "unknown",
        "12",
        "27",
        f"{D(20 * 6 + 40 * 60) / 60:f}",
        "60",
        "60",
    ]


def test_an_average_is_taken_anew_each_second_of_a_minute() -> None:
    made = window((0, "0"), (30, "60"))
    assert answers(made, 60, 60.999, 61, 61.5, function="average") == ["30", "30", "31", "31"]
    assert made.next_change("average", 61_500) == 62_000
    assert window((0, "7")).next_change("average", 61_500) is None, "it stands"


def test_what_was_for_no_time_at_all_was_all_the_same() -> None:
    made = window((0, "1"), (10, "9"), (10, "2"))
    assert answers(made, 60, 69.999, 70, function="highest") == ["9", "9", "2"]
    assert answers(made, 70, function="change") == ["0"]


def test_infinite_is_a_number() -> None:
    made = window((0, "5"), (10, "Infinity"), (20, "3"))
    assert answers(made, 60, function="change") == ["-2"]
    assert answers(made, 70, function="change") == ["-Infinity"]
    assert answers(made, 79.999, function="average") == ["unknown"]
    assert answers(made, 79.999, 80, function="highest") == ["Infinity", "3"]
    assert answers(made, 80, function="average") == ["3"]
    endless = window((0, "Infinity"))
    assert answers(endless, 60, function="change") == ["unknown"]
    assert answers(endless, 60, function="average") == ["Infinity"]


# ---------------------------------------------------------------- what is not known


def test_nothing_is_known_before_the_first_number() -> None:
    made = window((0, None), (10, "5"))
    assert answers(made, 60, 69.999, 70, function="highest") == ["unknown", "unknown", "5"]
    assert window().next_change("highest", 0) is None
    assert window((3, None), (10, "5")).next_change("highest", 15_000) == 70_000


def test_a_hole_leaves_doubt_until_it_has_left() -> None:
    made = window((0, "100"))
    assert answers(made, 65, function="highest") == ["100"]
    made.take(None, 70_000)
    assert answers(made, 70, 75, function="highest") == ["unknown", "unknown"]
    assert made.next_change("highest", 75_000) is None
    made.take(D(90), 80_000)
    assert answers(made, 80, 100, 129, 130, 139, 140, function="highest") == [
        "100?",
        "100?",
        "100?",
        "90?",
        "90?",
        "90",
    ]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("change", ["-10", "unknown", "0"]),
        ("highest", ["100?", "90?", "90"]),
        ("lowest", ["90?", "90?", "90"]),
        ("average", ["unknown", "unknown", "90"]),
        ("drop", ["0.1?", "0?", "0"]),
    ],
)
def test_what_a_hole_means_to_each_function(function: str, expected: list[str]) -> None:
    made = window((0, "100"), (70, None), (80, "90"))
    assert answers(made, 129, 130, 140, function=function) == expected


def test_a_short_stretch_counts_as_it_stood() -> None:
    made = window((0, "100"), (70, None), (80, "90"), patience=10)
    assert answers(made, 80, function="average") == ["100"]
    assert answers(made, 139, 140, function="highest") == ["100", "90"]
    made = window((0, "100"), (70, None), (80.001, "90"), patience=10)
    assert answers(made, 81, function="average") == ["unknown"]


def test_patience_is_a_bucket_at_least() -> None:
    day = 86_400
    made = window((0, "100"), (day, None), (day + 144, "90"), span=day, patience=30)
    assert answers(made, day + 144, function="highest") == ["100"]
    made = window((0, "100"), (day, None), (day + 144.001, "90"), span=day, patience=30)
    assert answers(made, day + 145, function="highest") == ["100?"]


# ---------------------------------------------------------------- against a list of everything

Told = list[tuple[int, D | None]]


def pieces(told: Told, patience: int) -> Told:
    """Leave out unknown stretches that are bridged, and what says nothing new."""
    found: Told = []
    for place, (instant, value) in enumerate(told):
        if value is None:
            later = next((at for at, each in told[place + 1 :] if each is not None), None)
            if not found or (later is not None and later - instant <= patience):
                continue
        if not found or found[-1][1] != value:
            found.append((instant, value))
    return found


def naive(function: str, told: Told, begin: int, now: int) -> Answer:
    """Compute an answer from everything that was told until now."""
    before = [value for at, value in told if at <= begin]
    inside = [(at, value) for at, value in told if begin < at <= now]
    if not before:
        return UNKNOWN
    values = [before[-1], *(value for _, value in inside)]
    known = [value for value in values if value is not None]
    hole, last = len(known) < len(values), values[-1]
    if last is None:
        return UNKNOWN
    if function == "change":
        return UNKNOWN if before[-1] is None else Answer(last - before[-1])
    if function == "highest":
        return Answer(max(known), hole)
    if function == "lowest":
        return Answer(min(known), hole)
    if function == "drop":
        top = max(known)
        return Answer((top - last) / top, hole) if top > 0 else UNKNOWN
    if hole:
        return UNKNOWN
    edges = [begin, *(at for at, _ in inside), now]
    parts = zip(known, edges[:-1], edges[1:], strict=True)
    return Answer(sum((value * (end - start) for value, start, end in parts), D(0)) / (now - begin))


def taken_anew(told: Told, now: int) -> list[int]:
    """Tell at which instants an average may have been taken last, the latest first."""
    least = max(now - now % 1000, *(at for at, _ in told))
    left = (at + MINUTE for at, _ in told if least < at + MINUTE <= now)
    return sorted({least, *left}, reverse=True)


VALUES = st.integers(-3, 12).map(D)
GAPS = st.sampled_from([1, 40, 99, 100, 101, 300, 1000, 2500, 20_000, 61_000])
STEPS = st.lists(st.tuples(GAPS, st.none() | VALUES | VALUES | VALUES), min_size=1, max_size=60)


def told_by(steps: Sequence[tuple[int, D | None]]) -> Told:
    now, told = 0, []
    for pause, value in steps:
        now += pause
        told.append((now, value))
    return told


def fed(told: Told, until: int, patience: int = 500, *, asking: bool = False) -> Window:
    made = Window(MINUTE, patience)
    for at, value in told:
        if at > until:
            break
        made.take(value, at)
        if asking:
            for function in FUNCTIONS:
                made.answer(function, at)
    return made


def close(one: Answer, other: Answer) -> bool:
    if one.value is None or other.value is None:
        return one == other
    return one.doubtful == other.doubtful and abs(one.value - other.value) < D("1e-20")


@given(STEPS, st.sampled_from([0, 1, 500, 30_000, 59_999, 60_000]))
def test_an_answer_is_that_of_a_window_at_most_a_bucket_longer(
    steps: Sequence[tuple[int, D | None]], later: int
) -> None:
    told = told_by(steps)
    now = told[-1][0] + later
    if told[-1][1] is None:
        assert {fed(told, now).answer(each, now) for each in FUNCTIONS} == {UNKNOWN}
        return
    known = pieces(told, 500)
    for function in FUNCTIONS:
        answer = fed(told, now).answer(function, now)
        assert any(
            close(answer, naive(function, known, begin, when))
            for when in (taken_anew(known, now) if function == "average" else [now])
            for begin in (when - MINUTE, *(at for at, _ in known if 0 <= when - MINUTE - at < 100))
        )


@given(STEPS, st.sampled_from([0, 500, 30_000, 59_999, 60_000]))
def test_what_changes_600_times_a_window_at_most_is_exact(
    steps: Sequence[tuple[int, D | None]], later: int
) -> None:
    told = told_by([(max(100, pause), value) for pause, value in steps])
    now = told[-1][0] + later
    known = pieces(told, 500)
    if told[-1][1] is None:
        return
    for function in FUNCTIONS:
        when = taken_anew(known, now)[0] if function == "average" else now
        expected = naive(function, known, when - MINUTE, when)
        assert close(fed(told, now).answer(function, now), expected)


@given(STEPS, st.sampled_from(FUNCTIONS))
def test_nothing_changes_before_it_says(
    steps: Sequence[tuple[int, D | None]], function: str
) -> None:
    told = told_by(steps)
    now, made = told[-1][0], fed(told, told[-1][0])
    for _ in range(20):
        answer, due = made.answer(function, now), made.next_change(function, now)
        assert due is None or due > now
        until = now + 200_000 if due is None else due - 1
        between = {now + 1, until, (now + until) // 2, *(at + MINUTE for at, _ in told)}
        for instant in sorted(each for each in between if now < each <= until):
            assert made.answer(function, instant) == answer
        if due is None:
            break
        now = due


@given(STEPS, st.sampled_from([0, 1, 20_000, 60_000]))
def test_asking_changes_nothing(steps: Sequence[tuple[int, D | None]], later: int) -> None:
    told = told_by(steps)
    now = told[-1][0] + later
    quiet, asked = fed(told, now), fed(told, now, asking=True)
    for function in FUNCTIONS:
        assert quiet.answer(function, now) == asked.answer(function, now)


@given(STEPS, STEPS, st.sets(st.integers(0, 60)))
def test_a_window_that_was_kept_goes_on(
    before: Sequence[tuple[int, D | None]], after: Sequence[tuple[int, D | None]], saves: set[int]
) -> None:
    told = told_by(before)
    made, kept = Window(MINUTE, 500), dict[int, Row]()
    for place, (at, value) in enumerate(told):
        made.take(value, at)
        if place in saves or place == len(told) - 1:
            kept |= {row.number: row for row in made.unkept(at)}
            kept = {number: row for number, row in kept.items() if number >= made.first}
    again = Window(MINUTE, 500)
    again.restore(list(kept.values()), told[-1][0])
    again.take(told[-1][1], told[-1][0])
    assert again.size == made.size
    for now, value in told_by([(told[-1][0], None), *after])[1:]:
        made.take(value, now)
        again.take(value, now)
        for function in FUNCTIONS:
            assert again.answer(function, now) == made.answer(function, now)


def test_down_for_longer_than_patience_is_a_hole() -> None:
    made = window((0, "100"), (70, "110"))
    rows = list(made.unkept(75_000))
    for down, expected in ((30, ["110"]), (30.001, ["110?"])):
        again = Window(MINUTE, 30_000)
        again.restore(rows, round(1000 * (75 + down)))
        again.take(D(90), round(1000 * (75 + down)))
        assert answers(again, 75 + down, function="highest") == expected


@pytest.mark.parametrize("span", [1_000, MINUTE, 3_600_000, 86_400_000])
def test_a_window_keeps_602_buckets_at_most(span: int) -> None:
    made, most = Window(span, 0), 0
    step = -(-span // BUCKETS)
    for place in range(6001):
        made.take(None if place % 7 == 0 else D(place * 7919 % 1000), place * step)
        most = max(most, made.size)
    assert 400 < most <= BUCKETS + 2
    latest = [place * 7919 % 1000 for place in range(5400, 6001) if place % 7]
    assert made.answer("highest", 6000 * step).value == max(latest)
