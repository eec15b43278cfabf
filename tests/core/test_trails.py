"""The marks of the last hour: sampled, bounded, and never of another time."""

from decimal import Decimal

import pytest

from monitor.core.events import Mark
from monitor.core.trails import EVERY, LENGTH, MOST, Sample, Trails


def told(trails: Trails, utc: int, **prices: str) -> None:
    trails.note({symbol: Mark(Decimal(text), utc) for symbol, text in prices.items()}, utc)


@pytest.mark.parametrize(
    ("instants", "kept"),
    [
        ([0], [0]),
        ([0, 1_000, 4_999], [0, 4_999]),
        ([0, 1_000, 5_000, 6_000, 7_000], [0, 5_000, 7_000]),
        ([0, 60_000], [0, 60_000]),
        ([60_000, 65_000, 10_000, 15_000], [10_000, 15_000]),  # the clock was set back
    ],
)
def test_one_sample_each_five_seconds_and_the_newest_mark(
    instants: list[int], kept: list[int]
) -> None:
    trails = Trails()
    for instant in instants:
        told(trails, instant, BTCUSDT=str(instant + 1))
    found = trails.last_hour("BTCUSDT", instants[-1])
    assert found == tuple(Sample(each, Decimal(each + 1)) for each in kept)


def test_a_day_of_marks_is_kept_for_an_hour() -> None:
    trails = Trails()
    for utc in range(0, 86_400_000, 1_000):
        told(trails, utc, BTCUSDT="1")
    found = trails.last_hour("BTCUSDT", utc)
    assert len(found) == LENGTH // EVERY + 1
    assert found[0].at >= utc - LENGTH
    assert [each.at for each in found[-2:]] == [86_395_000, 86_399_000]
    assert {len(trail) for trail in trails._trails.values()} == {MOST}


def test_symbols_of_which_nobody_tells_are_forgotten() -> None:
    trails = Trails()
    for hour in range(100):
        told(trails, hour * (LENGTH + 1), **{f"SYMBOL{hour}": "1"})
    assert list(trails._trails) == list(trails._newest) == ["SYMBOL99"]
    assert trails.last_hour("SYMBOL0", 0) == ()
