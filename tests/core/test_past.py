"""One value over time: each change told once, in whatever order it is heard of."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.past import REMEMBERED, UNKNOWN, Past, Step, Value


def labels(steps: list[Step]) -> list[str]:
    return [f"{'came' if came else 'left'} {value}" for came, value in (s.label for s in steps)]


def put(past: Past, time: int, value: str, *, sure: bool = False) -> list[str]:
    return labels(past.put(Value(time, value, sure)))


def test_in_order() -> None:
    past = Past("")
    told = [put(past, time, value) for time, value in enumerate(["long", "long", "short", ""], 1)]
    assert told == [["came long"], [], ["left long", "came short"], ["left short"]]
    assert past.last == Value(4, "")


def test_what_opened_and_closed_the_other_way_round_was_open() -> None:
    past = Past("")
    assert put(past, 2, "") == []
    assert put(past, 1, "long") == ["came long", "left long"]
    assert past.last.value == ""


def test_what_comes_between_tells_only_what_is_new() -> None:
    past = Past("")
    assert put(past, 3, "long") == ["came long"]
    assert put(past, 1, "long") == []
    told = put(past, 2, "short")
    assert told == ["left long", "came short", "left short", "came long"], "it turned round twice"


def test_a_value_heard_twice_tells_nothing() -> None:
    past = Past("")
    assert put(past, 1, "long") == ["came long"]
    assert put(past, 1, "") == ["left long"], "of the same millisecond"
    assert put(past, 1, "long") == []
    assert put(past, 1, "") == []
    assert past.last.value == ""


def test_coming_from_the_unknown_is_a_change_only_where_that_is_said() -> None:
    assert put(Past(UNKNOWN), 1, "20") == []
    assert put(Past(UNKNOWN), 1, "20", sure=True) == ["came 20"]
    past = Past(UNKNOWN)
    put(past, 1, "20")
    assert put(past, 2, "30") == ["left 20", "came 30"]


def test_it_is_bounded_and_what_is_older_than_all_of_it_tells_nothing() -> None:
    past = Past("")
    for time in range(1, 100):
        put(past, time, "long" if time % 2 else "")
    assert put(past, 99 - REMEMBERED - 1, "short") == []
    assert len(past._values) == REMEMBERED + 1


values = st.lists(st.sampled_from(["", "long", "short"]), min_size=1, max_size=REMEMBERED - 1)


@given(values, st.data())
def test_every_change_is_told_once_in_whatever_order_values_come(
    sides: list[str], data: st.DataObject
) -> None:
    heard = list(enumerate(sides, 1))
    order = data.draw(st.permutations(heard + data.draw(st.lists(st.sampled_from(heard)))))
    past = Past("")
    told = Counter(label for time, side in order for label in put(past, time, side))
    expected: Counter[str] = Counter()
    for before, after in pairwise(["", *sides]):
        if before != after:
            expected.update([f"left {before}"] * bool(before) + [f"came {after}"] * bool(after))
    assert told == expected
    assert past.last.value == sides[-1]
