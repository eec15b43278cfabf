"""How much of the loop the work for onlookers takes."""

import pytest
import trio
from trio.testing import MockClock

from monitor.app.http.sparing import PAUSE, SLICE, Sparing


async def test_after_a_slice_of_work_it_pauses_four_times_as_long(
    autojump_clock: MockClock,
) -> None:
    machine = [100.0]
    sparing = Sparing(30.0, clock=lambda: machine[0])
    begun = trio.current_time()
    machine[0] += SLICE / 2
    await sparing.rest()
    assert trio.current_time() == begun, "only a turn for others"
    machine[0] += SLICE
    await sparing.rest()
    paused = trio.current_time() - begun
    assert paused == pytest.approx(PAUSE * 1.5 * SLICE * 30), "in the time of the story"
    begun = trio.current_time()
    machine[0] += 7  # others worked
    sparing.begin()
    await sparing.rest()
    assert trio.current_time() == begun
