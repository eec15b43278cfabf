"""The page in a real browser, while the shipped crash is played twenty times as fast.

Real sockets and the machine's clock. Skipped where there is no Chromium.
"""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from monitor.app import Doors, Service, http, story_clock
from monitor.binance.link import make_dial
from monitor.config import Listen, load_config
from monitor.core.message import Message
from monitor.notify import Sent
from monitor.quarantine import Quarantine
from monitor.rulefile import find_rule_files, load_rules
from monitor.sim.exchange import Exchange, account_table
from monitor.sim.scenario import SCENARIOS, load_scenario
from monitor.store import Store
from tests.browser import IS_THERE, Browser, browser

pytestmark = pytest.mark.skipif(not IS_THERE, reason="needs chromium and chromedriver")

SPEED = 20.0
PICTURES = os.environ.get("PICTURES")
"""A folder to keep what the browser showed in, for people to look at."""

CHANNEL = """
[[channel]]
name = "phone"
url = "json://127.0.0.1:9"
group_wait = "0s"
"""


@pytest.fixture
def clock() -> MockClock:
    """Trio's clock, faster: everything here goes by it."""
    return MockClock(rate=SPEED)


@asynccontextmanager
async def watched(folder: Path, rules: Path) -> AsyncIterator[tuple[Service, str]]:
    """Have a service beside the crash, and the address of its page."""
    scenario = load_scenario(SCENARIOS / "crash.toml")
    exchange = Exchange(scenario)
    heard: list[str] = []

    async def send(_channel: str, message: Message) -> Sent:
        await trio.lowlevel.checkpoint()
        heard.append(message.title)
        return Sent("sent")

    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(exchange.listen)
        tables = "".join(account_table(one, "127.0.0.1", port) for one in scenario.account)
        path = folder / "config.toml"
        path.touch(mode=0o600)
        path.write_text(f'data_dir = "data"\ntimezone = "UTC"\n{tables}{CHANNEL}')
        config = load_config(path)
        await nursery.start(exchange.run)
        now = story_clock(round(scenario.start.timestamp() * 1000))
        store = Store.open(config.data_dir, utc=now().utc, scale=SPEED)
        service = Service(
            config,
            load_rules(find_rule_files([str(rules / "*.toml")])),
            store=store,
            send=send,
            doors=Doors(dial=make_dial(), now=now, scale=SPEED),
            quarantine=Quarantine(None, redact=str, now=now),
        )
        await nursery.start(service.run)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        where = Listen("127.0.0.1", listeners[0].socket.getsockname()[1])
        page = partial(http.run, redact=str, log=service.log)
        nursery.start_soon(page, service, listeners, where)
        yield service, f"http://{where}/"
        nursery.cancel_scope.cancel("the test is over")
    await store.aclose()


def look(window: Browser, url: str, pictures: Path) -> None:
    """Watch the crash from calm to critical, on several screens."""
    window.show_as(1280, 900)
    window.open(url)
    assert "critical" not in window.text("#firing")
    window.wait_for("document.querySelector('.prices')")
    assert window.text(".card h3").startswith("BTCUSDT")
    assert "fires at a mark" in window.text(".prices")
    window.picture(pictures / "calm.png")
    before = window.text("time")

    window.wait_for("document.querySelector('.alerts li[data-level=critical]')")
    assert window.text("time") > before, "nobody has loaded it anew"
    assert window.run("return document.title") == "(1 critical) Marginwatch"
    first = " ".join(window.text(".alerts li").split())
    assert first.startswith("critical margin-room main/BTCUSDT/long margin room ")
    assert "told to phone (critical)" in first
    assert window.run("return document.querySelector('.card').dataset.level") == "critical"
    room, rail = (
        float(window.run(f"return document.querySelector('.bar .{one}').getAttribute('width')"))
        for one in ("room", "rail")
    )
    assert 0 < room < rail / 4, "a fifth of the way is left"
    for name, width, height, dark in (
        ("light", 1280, 1500, False),
        ("dark", 1280, 1500, True),
        ("phone", 390, 844, False),
        ("phone-dark", 390, 2300, True),
    ):
        window.show_as(width, height, dark=dark, phone=width == 390)
        window.picture(pictures / f"{name}.png")
        wide = window.run("return document.documentElement.scrollWidth")
        assert wide <= width, "nothing reaches out at the side"
    ground = window.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(14, 17, 20)", "the dark one"
    assert window.complaints() == []


def lose_it(window: Browser, pictures: Path) -> None:
    """See that what is shown counts as old when nothing comes any more."""
    window.wait_for("!document.getElementById('lost').hidden")
    assert "What you see is old." in window.text("#lost")
    assert window.run("return document.body.classList.contains('old')") is True
    window.show_as(390, 844, phone=True)
    window.picture(pictures / "lost.png")


async def test_a_crash_is_seen_in_a_browser(clock: MockClock, tmp_path: Path, root: Path) -> None:
    pictures = Path(PICTURES) if PICTURES else tmp_path
    with trio.fail_after(100 * SPEED), tempfile.TemporaryDirectory() as profile:
        async with open_browser(Path(profile)) as window:
            async with watched(tmp_path, root / "rules") as (_, url):
                await trio.to_thread.run_sync(look, window, url, pictures)
            await trio.to_thread.run_sync(lose_it, window, pictures)


@asynccontextmanager
async def open_browser(profile: Path) -> AsyncIterator[Browser]:
    """Have a browser; it is begun and ended in threads."""
    held = browser(profile)
    window = await trio.to_thread.run_sync(held.__enter__)
    try:
        yield window
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(20 * SPEED):
            await trio.to_thread.run_sync(held.__exit__, None, None, None)
