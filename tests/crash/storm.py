"""A storm of alerts in which the service is killed again and again, and what came of it.

Real processes, SQLite, HTTP and Apprise; prices cross thresholds several times a second; of three
channels one fails part of the time. A seed draws the prices, the moods of that channel and the
moments of death; what the machine makes of them is different every time, the laws never are.
"""

import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.laws import Left, broken
from tests.crash.lives import House, Life, warm
from tests.crash.phones import Moods, Phones, Receipt
from tests.crash.points import POINTS
from tests.processes import simulator

HEAD = """
seed = 3
length = "{minutes}m"
mark_interval = "20ms"
weight_limit = 10000000
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = {{ USDT = "100000" }}
"""
POSITION = """
[[account.position]]
symbol = "{symbol}"
side = "long"
quantity = "0.1"
entry_price = "1000"
leverage = 5
"""
PRICE = """
[[price]]
symbol = "{symbol}"
points = [{points}]
"""
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
LEVELS = (980, 988, 993, 1000, 1004)
"""Prices between which the storm jumps; the rules' thresholds lie in between."""

RULES = """
[[rule]]
name = "steps"
info = "mark_price < 995"
warning = "mark_price < 990"
critical = "mark_price < 985"
repeat = "never"
[[rule]]
name = "flip"
warning = "mark_price > 998"
repeat = "never"
[[rule]]
name = "nag"
info = "mark_price < 1002"
repeat = "1s"
"""
CHANNELS = {"phone": "info", "desk": "warning", "moody": "info"}
"""Each with the least severity of which it hears anew."""
LEVEL = {"info": 1, "warning": 2, "critical": 3}
GROUP_WAIT = {"phone": "0s", "desk": "200ms", "moody": "0s"}
CHANNEL = """
[[channel]]
name = "{name}"
url = "{url}"
min_severity = "{least}"
group_wait = "{wait}"
"""
HASTY = (sys.executable, "-m", "tests.crash.hasty")
END = 60.0
"""Seconds that the last life may take to deliver what waits."""
LONGEST_LIFE = 1.5
PATIENCE = 20.0
"""Seconds within which a life passes the point where it dies."""


@dataclass
class Storm:
    """What came of it."""

    seed: int
    receipts: list[Receipt] = field(default_factory=list)
    left: Left = field(default_factory=Left)
    faults: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    """Of each life, how it ended."""

    @property
    def figures(self) -> str:
        """How much of a storm it was."""
        again = sum(mark.attempt > 1 for got in self.receipts for mark in got.marks)
        return (
            f"{len(self.died)} lives, {len(self.left.facts)} notices, "
            f"{len(self.receipts)} messages, {again} marks"
        )


def moments(seed: int, kills: int) -> Iterator[float]:
    """Draw how long each life lasts, seconds: mostly short, some of them whole."""
    rng = random.Random(seed)
    for _ in range(kills):
        yield 0.2 + (LONGEST_LIFE - 0.2) * rng.random() ** 5


def passings(seed: int, rounds: int) -> Iterator[tuple[str, int]]:
    """Draw at which passing of each named point a life ends."""
    rng = random.Random(seed)
    for _ in range(rounds):
        yield from ((point, rng.randint(1, 12)) for point in POINTS)


def at_moments(seed: int, kills: int, folder: Path) -> Storm:
    """Live through a storm, killed at random moments."""
    storm = Storm(seed)
    with _weather(storm, folder, minutes=3 + kills / 20) as (house, _):
        for seconds in moments(seed, kills):
            life = house.begin()
            threading.Event().wait(seconds)
            _end(storm, house, life, f"after {seconds:.3f} s")
    return _judged(storm, house)


def at_points(seed: int, rounds: int, folder: Path) -> Storm:
    """Live through a storm, killed at each named point in turn."""
    storm = Storm(seed)
    with _weather(storm, folder, minutes=3 + rounds) as (house, phones):
        for point, passing in passings(seed, rounds):
            life = house.begin(kill=(point, passing, phones.port))
            passed = life.wait(PATIENCE) is not None
            _end(storm, house, life, f"{point}, {passing}" if passed else f"never {point}")
    return _judged(storm, house)


@contextmanager
def _weather(storm: Storm, folder: Path, *, minutes: float) -> Iterator[tuple[House, Phones]]:
    """Have everything that stands around a storm; one more life, left to finish, ends it."""
    scenario = folder / "storm.toml"
    scenario.write_text(_scenario(storm.seed, minutes))
    moods = Moods("moody", storm.seed)
    with Phones(moods) as phones, simulator(scenario, HASTY) as account, warm() as parent:
        channels = "".join(
            CHANNEL.format(name=name, url=phones.url(name), least=least, wait=GROUP_WAIT[name])
            for name, least in CHANNELS.items()
        )
        house = House(parent, folder / "house", account, channels, RULES, seed=1000 * storm.seed)
        yield house, phones
        moods.calm = True
        scenario.with_name(f"{scenario.name}.calm").touch()
        phones.release.set()
        life = house.begin()
        _wait_until_delivered(house, life)
        status = life.stop()
        if status != 0:
            storm.faults.append(f"the last life ended with {status}")
    storm.receipts = phones.receipts


def _end(storm: Storm, house: House, life: Life, how: str) -> None:
    """End a life, unless it ended itself, and look at what it left."""
    life.kill()
    storm.died.append(how)
    if life.status != -signal.SIGKILL:
        storm.faults.append(f"life {len(storm.died)} ended by itself with {life.status}")
    storm.left.read(house.data_dir)


def _wait_until_delivered(house: House, life: Life) -> None:
    """Wait until next to nothing waits; the end of a life does the rest."""
    deadline = time.monotonic() + END
    path = house.data_dir / "marginwatch.db"
    threading.Event().wait(1.0)  # it looks around first
    while life.wait(0) is None and time.monotonic() < deadline:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            sql = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
            (waiting,) = database.execute(sql).fetchone()
        if waiting < 10:
            return
        threading.Event().wait(0.1)


def _judged(storm: Storm, house: House) -> Storm:
    storm.left.read(house.data_dir)
    least = {name: LEVEL[word] for name, word in CHANNELS.items()}
    storm.faults += broken(storm.left, storm.receipts, least)
    log = house.log.read_text()
    storm.faults += [line for line in log.splitlines() if line.startswith("Traceback")]
    return storm


def _scenario(seed: int, minutes: float) -> str:
    rng = random.Random(seed)
    prices, positions = [], []
    for symbol in SYMBOLS:
        points, at, before = [], 0, 0
        while at < minutes * 60_000:
            price = rng.choice([level for level in LEVELS if level != before])
            points.append(f'["{at}ms", "{price}"], ["{at + 40}ms", "{price}"],')
            at, before = at + rng.choice([100, 200, 300]), price
        positions.append(POSITION.format(symbol=symbol))
        prices.append(PRICE.format(symbol=symbol, points="\n".join(points)))
    return HEAD.format(minutes=round(minutes) + 1) + "".join([*positions, *prices])
