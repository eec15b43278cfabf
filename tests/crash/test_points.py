"""One notice, one channel, and a kill at each point by name: what is received, exactly."""

import signal
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.crash.lives import House, warm
from tests.crash.phones import Phones, heard
from tests.crash.points import POINTS
from tests.processes import simulator, wait_for

RULES = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\nrepeat = "never"\n'
SCENARIO = """
length = "1h"
weight_limit = 100000
[[account]]
name = "main"
api_key = "demo-key"
api_secret = "demo-secret"
balances = { USDT = "10000" }
[[account.position]]
symbol = "BTCUSDT"
side = "long"
quantity = "0.1"
entry_price = "60000"
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"]]
"""


def test_what_is_received_of_a_notice_when_a_life_dies_at_each_point(tmp_path: Path) -> None:
    """All points at once: each has a folder and a channel of its own."""
    scenario = tmp_path / "still.toml"
    scenario.write_text(SCENARIO)
    with Phones() as phones, simulator(scenario) as account, warm() as parent:
        houses = {}
        for number, point in enumerate(POINTS):
            url = phones.url(str(number))
            channel = f'[[channel]]\nname = "phone"\nurl = "{url}"\ngroup_wait = "0s"\n'
            houses[point] = House(parent, tmp_path / str(number), account, channel, RULES)
        first = {p: house.begin(kill=(p, 1, phones.port)) for p, house in houses.items()}
        ends = {point: life.wait(60) for point, life in first.items()}
        assert ends == dict.fromkeys(POINTS, -signal.SIGKILL)
        second = {point: house.begin() for point, house in houses.items()}
        for house in houses.values():
            wait_for(partial(_delivered, house), 60)
        for life in second.values():
            life.terminate()
        assert {point: life.wait(60) for point, life in second.items()} == dict.fromkeys(POINTS, 0)

    got = {p: heard(phones.receipts, str(number)) for number, p in enumerate(POINTS)}
    assert got == POINTS
    said = {receipt.title for receipt in phones.receipts}
    assert said == {"WARNING: BTCUSDT long (main): long"}
    assert "Traceback" not in "".join(house.log.read_text() for house in houses.values())


def _delivered(house: House) -> bool:
    path = house.data_dir / "marginwatch.db"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        return database.execute("SELECT state FROM deliveries").fetchall() == [("sent",)]
