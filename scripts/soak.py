"""Live many seeded stories, feed many broken frames, kill many lives; say what breaks a promise.

    python scripts/soak.py --seeds 10000 [--first 40] [--jobs 2] [--minutes 20]
    python scripts/soak.py --seed 1234 -v        one story, its scenario and everything it told
    python scripts/soak.py --frames 1000000      frames that were tampered with, through the link
    python scripts/soak.py --kills 500 [--first 11]      one storm of alerts, with so many SIGKILLs

Ends with 1 where a promise was broken, after the commands that replay each failure.
"""

import argparse
import logging
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.crash.storm import at_moments, at_points
from tests.fuzz.feeding import feed_many
from tests.house.judge_of_stories import judge
from tests.house.simulation import Story, live

BATCH = 2_000
"""Frames that one account is fed before the next begins; a batch is what a failure replays."""


def main() -> int:
    """Read the arguments, and do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=0, help="how many stories")
    parser.add_argument("--first", type=int, default=0, help="the first seed, batch or storm")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--frames", type=int, default=0, help="how many tampered frames")
    parser.add_argument("--kills", type=int, default=0, help="how many lives of a storm are killed")
    parser.add_argument("--batch", type=int, help="this batch of frames alone")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--minutes", type=float, default=20, help="how much of each story")
    parser.add_argument("--log", action="store_true", help="of one story, only what it told")
    parser.add_argument("-v", "--verbose", action="store_true", help="say everything")
    asked = parser.parse_args()
    if not asked.verbose:
        logging.disable()
    if asked.seed is not None:
        return _one_story(asked)
    if asked.batch is not None:
        return _report(_fed(asked.batch))
    failed: list[str] = []
    if asked.seeds:
        seeds = range(asked.first, asked.first + asked.seeds)
        work = partial(_lived, minutes=asked.minutes)
        failed += [f"--seed {seed} -v" for seed in _run(work, seeds, asked.jobs, "stories")]
    if asked.frames:
        batches = range(asked.first, asked.first + -(-asked.frames // BATCH))
        failed += [f"--batch {number}" for number in _run(_fed, batches, asked.jobs, "batches")]
    if asked.kills and not _stormed(asked.first, asked.kills):
        failed += [f"--kills {asked.kills} --first {asked.first}"]
    for which in failed:
        print(f"replay: python scripts/soak.py {which}")
    return 1 if failed else 0


Outcome = tuple[int, list[str]]
"""A seed or a batch, and what was wrong with it."""


def _lived(seed: int, *, minutes: float) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return seed, judge(live(seed, Path(folder), minutes=minutes))
        except Exception:  # noqa: BLE001 - whatever gets out of a story is what we look for
            return seed, [traceback.format_exc()]


def _fed(batch: int) -> Outcome:
    try:
        return batch, feed_many(batch, BATCH)
    except Exception:  # noqa: BLE001 - likewise
        return batch, [traceback.format_exc()]


def _stormed(seed: int, kills: int) -> bool:
    """Live through a storm and through one death at each named point for every 50 kills."""
    faults: list[str] = []
    for storming, count in ((at_moments, kills), (at_points, -(-kills // 50))):
        with tempfile.TemporaryDirectory() as folder:
            storm = storming(seed, count, Path(folder))
        print(f"storm {seed}: {storm.figures}, {len(storm.faults)} faults")
        print("".join(f"    {fault}\n" for fault in storm.faults), end="", flush=True)
        faults += storm.faults
    return not faults


def _run(work: Callable[[int], Outcome], numbers: range, jobs: int, what: str) -> list[int]:
    """Do the work for each number; give those that failed."""
    failed: list[int] = []
    began = time.monotonic()
    for done, (number, faults) in enumerate(_results(work, numbers, jobs), 1):
        if faults:
            failed.append(number)
            print(f"\n{number}:", *faults, sep="\n    ", flush=True)
        if done % 20 == 0 or done == len(numbers):
            rate = done / (time.monotonic() - began)
            line = f"{done} of {len(numbers)} {what}, {len(failed)} failed, {rate:.1f} a second"
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"{len(numbers) - len(failed)} of {len(numbers)} {what} kept every promise")
    return failed


def _results(work: Callable[[int], Outcome], numbers: range, jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        yield from map(work, numbers)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, logging.disable) as pool:
        yield from pool.imap_unordered(work, numbers)


def _one_story(asked: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        story = live(asked.seed, Path(folder), minutes=asked.minutes)
    if asked.verbose:
        _show_plan(story)
    if asked.verbose or asked.log:
        print(*story.log, sep="\n")
    return 0 if asked.log else _report((asked.seed, judge(story)))


def _show_plan(story: Story) -> None:
    plan = story.plan
    print(plan.scenario)
    print(*plan.ends, *plan.outages, *plan.disks, sep="\n")


def _report(outcome: Outcome) -> int:
    number, faults = outcome
    print(*faults or [f"{number}: every promise is kept"], sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
