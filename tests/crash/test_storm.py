"""Fifty deaths in a storm of alerts; `make soak` lives through KILLS of them."""

from pathlib import Path

import pytest

from tests.crash.storm import at_moments, at_points


@pytest.mark.parametrize("seed", [11])
def test_fifty_kills_lose_no_number_and_repeat_none_without_its_mark(
    tmp_path: Path, seed: int
) -> None:
    storm = at_moments(seed, 50, tmp_path)
    again = f"replay it with: python scripts/soak.py --kills 50 --first {seed}"
    assert storm.faults == [], f"seed {seed}: {storm.figures}; {again}"
    assert len(storm.left.facts) > 50, f"it was hardly a storm: {storm.figures}"


@pytest.mark.parametrize("seed", [5])
def test_a_kill_at_each_point_of_the_transaction_and_the_send(tmp_path: Path, seed: int) -> None:
    storm = at_points(seed, 1, tmp_path)
    assert storm.faults == [], f"seed {seed}: {storm.figures}; {storm.died}"
    assert not [how for how in storm.died if how.startswith("never")], storm.died
