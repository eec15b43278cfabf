"""Files edited while the whole service runs."""

import itertools
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from monitor.app.reloading import Reloader
from monitor.config import Channel, Config, load_config
from monitor.core.rules import Rule
from monitor.errors import ConfigError
from monitor.notify import Sent
from monitor.rulefile import load_rules
from tests.binance.webhosts import WebHost, reply
from tests.house.town import Town
from tests.receiver import inline

CALM = '[[price]]\nsymbol = "BTCUSDT"\npoints = [["0s", "60000"]]\n'
LONG = '[[rule]]\nname = "long"\nwarning = "quantity > 0"\nrepeat = "never"\n'
DESK = '[[channel]]\nname = "desk"\nurl = "json://127.0.0.1:8"\ngroup_wait = "0s"\n'


@dataclass
class Office:
    """The files of a town, and who reads them anew."""

    town: Town
    refused: str = ""
    """The url that no service takes."""
    reloader: Reloader = field(init=False)

    @property
    def config(self) -> Path:
        return self.town.folder / "config.toml"

    @property
    def rules(self) -> Path:
        return self.town.folder / "rules" / "all.toml"

    def read(self) -> tuple[Config, tuple[Rule, ...]]:
        config = load_config(self.config)
        names = [channel.name for channel in config.channels]
        return config, load_rules(config.rule_files(), repeat=config.repeat, channels=names)

    async def admit(self, channels: Sequence[Channel]) -> None:
        await trio.lowlevel.checkpoint()
        for channel in channels:
            if self.refused and self.refused in channel.url.get_secret_value():
                raise ConfigError(f'channel "{channel.name}": Apprise does not take its url.')

    def edit(self, before: str, after: str) -> None:
        """Change config.toml."""
        text = self.config.read_text()
        assert before in text
        self.config.write_text(text.replace(before, after))


@asynccontextmanager
async def office(town: Town) -> AsyncIterator[Office]:
    """Run a town whose files are looked after, from 5 s on."""
    it = Office(town)
    it.rules.parent.mkdir()
    it.rules.write_text(town.rules)
    async with town.exists(), town.life() as service, trio.open_nursery() as nursery:
        config, rules = it.read()
        it.reloader = Reloader(
            service,
            config,
            rules,
            read=it.read,
            files=lambda: [it.config, *it.rules.parent.glob("*.toml")],
            admit=it.admit,
            in_thread=inline,
        )
        await town.until(5)
        await nursery.start(it.reloader.run)
        yield it
        nursery.cancel_scope.cancel("the story is over")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of reloads."""
    begins = ("reloaded: ", "the edited files ", "changed, ")
    return [text for text in caplog.messages if text.startswith(begins)]


async def test_rules_edited_while_an_alert_stands(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM, rules=LONG)
    async with office(town) as files:
        await town.until(20)
        assert said(caplog) == []  # looked at, read once, found as it was
        files.rules.write_text(f'{LONG}message = "{{symbol}} is long"\n')
        (files.rules.parent / "more.toml").write_text(LONG.replace("long", "big", 1))
        await town.until(30)
        files.rules.write_text('[[rule]]\nname = "lo')  # a program that saves in two steps
        await town.until(30.9)
        files.rules.write_text(LONG.replace("> 0", "> 1"))
        await town.until(40)
        (files.rules.parent / "more.toml").unlink()
        await town.until(50)
    assert [line.split(maxsplit=1)[1] for line in town.story] == [
        "fired warning long",
        "fired warning big",
        "resolved warning long rule_changed",
        "resolved warning big rule_removed",
    ]
    times = [float(line.split()[0]) for line in town.story[1:]]
    assert all(edit < at <= edit + 5 for edit, at in zip([20, 30.9, 40], times, strict=True))
    assert said(caplog) == [
        "reloaded: 2 rules, 1 channel; rule long changed, rule big added",
        "reloaded: 2 rules, 1 channel; rule long changed",
        "reloaded: 1 rule, 1 channel; rule big removed",
    ]


async def test_files_with_a_fault_change_nothing_and_are_told_once(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM, rules=LONG)
    async with office(town) as files:
        await town.until(20)
        files.edit('name = "phone"', 'name = "pager"')
        files.rules.write_text(LONG.replace("quantity > 0", "quanity > 0"))
        await town.until(40)
        files.rules.touch()
        await town.until(60)
        files.reloader.ask()
        await town.until(80)
        files.rules.write_text(LONG)
        await town.until(100)
    assert [line.split(maxsplit=1)[1] for line in town.story] == [
        "fired warning long",
        "happened warning reload_refused",
    ]
    refusal, again, mended = said(caplog)
    assert refusal == again
    assert refusal.startswith("the edited files are refused, what was read before goes on:\n")
    assert "all.toml:3:12: rule" in refusal
    assert "did you mean `quantity`?" in refusal
    assert mended == "reloaded: 1 rule, 1 channel; channel pager added, channel phone removed"
    assert [(channel, title) for _, channel, title in town.sent] == [
        ("phone", "WARNING: BTCUSDT long (main): long"),
        ("phone", "WARNING: marginwatch: reload refused"),
    ]
    assert "quanity" in town.heard[1].details["why"]


async def test_a_channel_whose_url_is_refused_changes_nothing(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM, rules=LONG)
    async with office(town) as files:
        files.refused = "127.0.0.1:8"
        await town.until(20)
        files.rules.write_text(LONG.replace("long", "other", 1))
        files.config.write_text(files.config.read_text() + DESK)
        await town.until(40)
        files.refused = ""
        files.reloader.ask()
        await town.until(50)
    why = 'channel "desk": Apprise does not take its url.'
    assert said(caplog) == [
        f"the edited files are refused, what was read before goes on:\n{why}",
        "reloaded: 1 rule, 2 channels; rule other added, rule long removed, channel desk added",
    ]
    assert sorted((channel, title) for _, channel, title in town.sent) == [
        ("desk", "WARNING: BTCUSDT long (main): other"),
        ("phone", "WARNING: BTCUSDT long (main): long"),
        ("phone", "WARNING: BTCUSDT long (main): other, and 1 more"),  # the end of the other
        ("phone", "WARNING: marginwatch: reload refused"),
    ]


async def test_what_waits_for_a_channel_that_is_gone_is_given_up(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, CALM, rules=LONG, answers=lambda *_: Sent("refused", "no"))
    async with office(town) as files:
        await town.until(20)
        files.edit('name = "phone"', 'name = "pager"')
        await town.until(30)
        town.answers = lambda *_: Sent("sent")
        files.rules.write_text(LONG.replace("> 0", "> 1"))
        await town.until(40)
    assert town.sent == []  # the new channel heard no beginning, so it hears no end
    with closing(sqlite3.connect(tmp_path / "data" / "marginwatch.db")) as database:
        rows = database.execute("SELECT number, channel, state, last_error FROM deliveries")
        assert rows.fetchall() == [(1, "phone", "dead", "this channel no longer exists")]


async def test_a_channel_that_leads_elsewhere_is_tried_at_once(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    answers = Sent("refused", "no", retry_after=3600)
    town = Town(tmp_path, CALM, rules=LONG, answers=lambda *_: answers)
    async with office(town) as files:
        await town.until(20)
        town.answers = lambda *_: Sent("sent")
        await town.until(30)
        assert town.sent == []
        files.edit("127.0.0.1:9", "127.0.0.1:8")
        await town.until(40)
    ((at, channel, title),) = town.sent
    assert (30 < at < 35, channel) == (True, "phone")
    assert title == "WARNING: BTCUSDT long (main): long"


async def test_keys_that_take_a_restart_are_named_and_the_rest_is_taken(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unsaid = LONG.replace('repeat = "never"\n', "")
    town = Town(tmp_path, CALM, rules=unsaid, settings='repeat = "never"\n')
    async with office(town) as files:
        await town.until(20)
        files.edit('repeat = "never"', 'repeat = "1m"\npoll_interval = "5s"')
        files.edit('api_key = "demo-key"', 'api_key = "other-key"')
        await town.until(100)
        files.reloader.ask()
        await town.until(110)
    assert said(caplog) == [
        "reloaded: 1 rule, 1 channel; rule long changed",
        "changed, but taken at a restart only: poll_interval, account",
        "reloaded: 1 rule, 1 channel; nothing has changed",
        "changed, but taken at a restart only: poll_interval, account",
    ]
    assert [line.split(maxsplit=1)[1] for line in town.story] == [
        "fired warning long",
        "reminder warning long",
    ]


async def test_a_heartbeat_comes_moves_and_goes_without_a_restart(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM, rules=LONG)
    async with trio.open_nursery() as nursery:
        web = WebHost(nursery, reply("OK"))

        async def dial(url: str) -> trio.abc.Stream:
            return await (web.dial(url) if "beats.test" in url else town.exchange.dial(url))

        town.dial = dial
        async with office(town) as files:
            await town.until(20)
            beat = '[heartbeat]\nurl = "https://beats.test/one"\nevery = "5s"\n'
            files.config.write_text(files.config.read_text() + beat)
            await town.until(40)
            files.edit("beats.test/one", "beats.test/two")
            await town.until(60)
            files.edit(beat.replace("/one", "/two"), "")
            await town.until(80)
        nursery.cancel_scope.cancel("the story is over")
    at = {name: [one.at for one in web.asked if one.target == name] for name in ("/one", "/two")}
    assert len(at["/one"]) + len(at["/two"]) == len(web.asked)
    for begin, times in zip([20, 40], at.values(), strict=True):
        assert begin < times[0] <= begin + 5
        assert begin + 15 < times[-1] <= begin + 25
        assert {round(b - a, 1) for a, b in itertools.pairwise(times)} == {5.0}
    assert said(caplog) == [
        "reloaded: 1 rule, 1 channel; heartbeat added",
        "reloaded: 1 rule, 1 channel; heartbeat changed",
        "reloaded: 1 rule, 1 channel; heartbeat removed",
    ]


async def test_a_bug_in_reading_files_does_not_end_the_watch(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(tmp_path, CALM, rules=LONG)
    async with office(town) as files:
        await town.until(20)

        async def broken(channels: Sequence[Channel]) -> None:
            await trio.lowlevel.checkpoint()
            raise ZeroDivisionError(len(channels))

        files.reloader._admit = broken
        files.reloader.ask()
        await town.until(30)
    assert "the files cannot be read anew; this is a bug, please report it" in caplog.messages
    assert [line.split(maxsplit=1)[1] for line in town.story] == [
        "fired warning long",
        "happened warning reload_refused",
    ]
