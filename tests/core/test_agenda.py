"""The agenda: one instant per key, in order."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.agenda import Agenda


def drain(agenda: Agenda, ticks: int) -> list[tuple[object, ...]]:
    found = []
    while (key := agenda.pop(ticks)) is not None:
        found.append(key)
    return found


def test_keys_come_by_instant_then_rank_then_as_they_were_set() -> None:
    agenda = Agenda()
    agenda.put(("c",), 5, 2)
    agenda.put(("b",), 5, 1)
    agenda.put(("d",), 5, 2)
    agenda.put(("a",), 4, 2)
    agenda.put(("e",), 6, 0)
    assert agenda.next() == 4
    assert drain(agenda, 5) == [("a",), ("b",), ("c",), ("d",)]
    assert agenda.next() == 6


def test_a_key_has_one_instant() -> None:
    agenda = Agenda()
    agenda.put(("a",), 5, 0)
    agenda.put(("a",), 9, 0)
    assert (agenda.next(), agenda.at(("a",))) == (9, 9)
    agenda.put(("a",), 3, 0)
    assert drain(agenda, 10) == [("a",)]
    assert (agenda.next(), agenda.at(("a",))) == (None, None)


def test_a_key_is_taken_off() -> None:
    agenda = Agenda()
    agenda.put(("a",), 5, 0)
    agenda.put(("a",), None, 0)
    agenda.put(("b",), None, 0)
    assert agenda.next() is None


def test_setting_the_same_instant_again_keeps_its_place() -> None:
    agenda = Agenda()
    agenda.put(("a",), 5, 0)
    agenda.put(("b",), 5, 0)
    agenda.put(("a",), 5, 0)
    assert drain(agenda, 5) == [("a",), ("b",)]


def test_only_one_rank_is_taken_when_asked() -> None:
    agenda = Agenda()
    agenda.put(("a",), 5, 1)
    agenda.put(("b",), 5, 0)
    assert agenda.pop(5, 0) == ("b",)
    assert agenda.pop(5, 0) is None
    assert agenda.pop(5, 1) == ("a",)
    agenda.put(("c",), 6, 0)
    assert agenda.pop(5, 0) is None, "not due"


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.none() | st.integers(0, 9), st.integers(0, 2)))
)
def test_it_is_a_dict_in_order(puts: list[tuple[str, int | None, int]]) -> None:
    agenda, model = Agenda(), dict[str, int]()
    ranks = dict[str, int]()
    for name, ticks, rank in puts:
        rank = ranks.setdefault(name, rank)  # noqa: PLW2901 - one key has one rank
        agenda.put((name,), ticks, rank)
        if ticks is None:
            model.pop(name, None)
        else:
            model[name] = ticks
        assert agenda.next() == min(model.values(), default=None)
    expected = sorted((ticks, ranks[name], name) for name, ticks in model.items())
    got = [(model[str(key[0])], ranks[str(key[0])], str(key[0])) for key in drain(agenda, 100)]
    assert sorted(got) == expected
    assert [entry[:2] for entry in got] == [entry[:2] for entry in expected]
