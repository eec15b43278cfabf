"""Ten thousand tampered frames; `scripts/soak.py --frames` feeds as many as there is time for."""

import json
from random import Random

import pytest

from tests.fuzz.feeding import corpus, feed_many
from tests.fuzz.mutator import Mutator


@pytest.mark.parametrize("batch", range(5))
def test_no_frame_gets_out_of_the_link_or_into_the_portfolio(batch: int) -> None:
    wrong = feed_many(batch, 2_000)
    again = f"replay it with: python scripts/soak.py --batch {batch} -v"
    assert not wrong, "\n".join([*wrong, again])


def test_the_tampering_is_of_every_kind() -> None:
    """Of a thousand frames some are no JSON, some JSON of another meaning; all are the seed's."""
    good = corpus()
    frames = [Mutator(Random(1), good).frame() for _ in range(3)]
    assert frames[0] == frames[1] == frames[2]

    mutator = Mutator(Random(2), good)
    told = [mutator.frame() for _ in range(1_000)]
    kinds = dict.fromkeys(("json", "broken", "null", "NaN", "deep", "doubled"), 0)
    for text in told:
        kinds["json" if _is_json(text) else "broken"] += 1
        kinds["null"] += "null" in text
        kinds["NaN"] += "NaN" in text
        kinds["deep"] += text.startswith("[[[")
        kinds["doubled"] += any(text.count(f'"{key}":') > 1 for key in ("E", "T", "m"))
    assert min(kinds.values()) >= 10, kinds


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
