"""The page, the metrics and the health of a running service, in virtual time.

Requests go through the real door over streams in memory; loopback and a real browser have tests of
their own.
"""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h11
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from monitor.app import Service
from monitor.app.http import board
from monitor.app.http.door import Door
from monitor.app.http.site import MOST_WATCHERS, Site
from monitor.app.http.sparing import Sparing
from monitor.core.message import Message
from monitor.core.triggers import triggers_of
from monitor.notify import Sent
from tests import prometheus
from tests.house.town import HEAD, START, Town

# Below 8 % from liquidation from 120 s on.
FALL = """
[[price]]
symbol = "BTCUSDT"
points = [["0s", "60000"], ["100s", "60000"], ["120s", "58000"], ["400s", "58000"],
          ["420s", "60500"]]
"""
BLIND = """
[[fault]]
at = "60s"
for = "120s"
what = "refuse"
where = "api"
[[fault]]
at = "60s"
what = "drop"
where = "api"
"""


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Visitor:
    """Asks for pages.

    Args:
        site: What answers.
        nursery: Where connections are served.
    """

    def __init__(self, site: Site, nursery: trio.Nursery) -> None:
        self.site = site
        self._nursery = nursery
        self._door = Door(site.answer, any_host=False, log=logging.getLogger("test"))

    async def get(self, path: str, method: str = "GET", accept: str = "*/*") -> Got:
        async with self.connected(path, method, accept) as answer:
            body = b""
            while piece := await answer.piece():
                body += piece
        headers = {name.decode(): value.decode() for name, value in answer.head.headers}
        return Got(answer.head.status_code, headers, body)

    @asynccontextmanager
    async def connected(
        self, path: str, method: str = "GET", accept: str = "*/*"
    ) -> AsyncIterator["Connected"]:
        """Ask, and give the answer as it comes."""
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self._door.serve, theirs)  # noqa: ASYNC113 - bytes wait for it
        async with ours:
            answer = Connected(ours)
            await answer.ask(path, method, accept)
            yield answer


class Connected:
    """A connection on which something was asked."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._wire = h11.Connection(h11.CLIENT)
        self._text = ""
        self.head: h11.Response

    async def ask(self, path: str, method: str, accept: str) -> None:
        headers = [("Host", "localhost"), ("Accept", accept)]
        request = h11.Request(method=method, target=path, headers=headers)
        await self._stream.send_all(self._wire.send(request) or b"")
        await self._stream.send_all(self._wire.send(h11.EndOfMessage()) or b"")
        self.head = await self._event()

    async def _event(self) -> Any:
        while (found := self._wire.next_event()) is h11.NEED_DATA:
            self._wire.receive_data(bytes(await self._stream.receive_some(65_536)))
        return found

    async def piece(self) -> bytes:
        """Receive what comes next of the body; nothing where it ends."""
        found = await self._event()
        return bytes(found.data) if isinstance(found, h11.Data) else b""

    async def parts(self) -> dict[str, Any]:
        """Receive the next server-sent event of the page, whatever comments are before it."""
        while True:
            while "\n\n" not in self._text:
                piece = await self.piece()
                assert piece, "it ended"
                self._text += piece.decode()
            block, _, self._text = self._text.partition("\n\n")
            lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if lines.get("event") == "page":
                found: dict[str, Any] = json.loads(lines["data"])
                return found


@asynccontextmanager
async def visited(town: Town, redact: Any = str) -> AsyncIterator[tuple[Service, Visitor]]:
    async with town.exists(), town.life() as service, trio.open_nursery() as nursery:
        site = Site(service, redact)
        nursery.start_soon(site.board.run)  # noqa: ASYNC113 - it waits for watchers
        yield service, Visitor(site, nursery)
        nursery.cancel_scope.cancel("the test is over")


async def test_the_paths_there_are(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with visited(Town(tmp_path, FALL)) as (_, visitor):
        kinds = {}
        for path in ("/", "/page.css", "/page.js", "/icon.svg", "/metrics", "/healthz"):
            got, head = await visitor.get(path), await visitor.get(path, "HEAD")
            assert (head.status, head.body) == (got.status, b"")
            assert head.headers["content-length"] == str(len(got.body)) or path in {"/", "/metrics"}
            kinds[path] = got.headers["content-type"].partition(";")[0]
        assert kinds == {
            "/": "text/html",
            "/page.css": "text/css",
            "/page.js": "text/javascript",
            "/icon.svg": "image/svg+xml",
            "/metrics": "text/plain",
            "/healthz": "text/plain",
        }
        for path in ("/x", "/index.html", "/page.css/", "//", "/../etc/passwd", "/board.py", "*"):
            assert (await visitor.get(path)).status == 404
        policy = (await visitor.get("/")).headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


async def test_health_is_what_the_heartbeat_goes_by(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, BLIND)
    async with visited(town, lambda text: text.replace("main", "[secret]")) as (service, visitor):
        await town.until(50)
        got = await visitor.get("/healthz")
        assert (got.status, got.text) == (200, "ok\n")
        got = await visitor.get("/healthz", accept="application/json")
        assert json.loads(got.body) == {"ok": True, "ailments": []}
        await town.until(110)
        got = await visitor.get("/healthz")
        assert (got.status, got.text) == (503, "no fresh numbers of [secret]\n")
        got = await visitor.get("/healthz", accept="application/json")
        assert (got.status, got.headers["content-type"]) == (503, "application/json")
        assert json.loads(got.body) == {"ok": False, "ailments": ["no fresh numbers of [secret]"]}
        page = (await visitor.get("/")).text
        assert "the watch is not well" in page
        assert "not fresh" in page
        assert "no complete poll for" in page
        read = prometheus.read((await visitor.get("/metrics")).text)
        assert read["marginwatch_healthy"].samples["", ()] == 0
        assert read["marginwatch_account_fresh"].samples["", (("account", "main"),)] == 0
        age = read["marginwatch_account_data_age_seconds"].samples["", (("account", "main"),)]
        assert 40 < age < 65
        await town.until(230)
        assert (await visitor.get("/healthz")).status == 200
        assert service.vitals.ailments() == []


async def test_metrics_of_a_fall(autojump_clock: MockClock, tmp_path: Path) -> None:
    def answers(seconds: float, _channel: str, _message: Message) -> Sent:
        return Sent("sent") if seconds > 160 else Sent("refused", "no")

    town = Town(tmp_path, FALL, answers=answers)
    async with visited(town) as (service, visitor):
        await town.until(50)
        before = prometheus.read((await visitor.get("/metrics")).text)
        await town.until(140)
        during = prometheus.read((await visitor.get("/metrics")).text)
        await town.until(300)
        after = prometheus.read((await visitor.get("/metrics")).text)
        service.accounts["main"].distrust("the test says so")
        service.quarantine.keep('odd "source"', "x", "no JSON")
        await town.until(360)
        late = prometheus.read((await visitor.get("/metrics")).text)

    def value(read: dict[str, prometheus.Family], name: str, **labels: str) -> float:
        return read[f"marginwatch_{name}"].samples["", tuple(labels.items())]

    firing = {"rule": "distance", "severity": "warning", "state": "firing"}
    assert [value(each, "alerts", **firing) for each in (before, during, after)] == [0, 1, 1]
    phone = {"channel": "phone"}
    assert [value(each, "notices_waiting", **phone) for each in (before, during, after)] == [
        0,
        1,
        0,
    ]
    sent, refused = ({**phone, "outcome": outcome} for outcome in ("sent", "refused"))
    assert [value(each, "notices_total", **sent) for each in (before, during, after)] == [0, 0, 1]
    assert value(during, "notices_total", **refused) >= 1
    assert value(after, "notices_total", **phone, outcome="dead") == 0
    main = {"account": "main"}
    assert value(before, "account_fresh", **main) == 1
    assert 0 <= value(before, "account_data_age_seconds", **main) < 15
    assert value(before, "account_positions", **main) == 1
    rebuilds = [value(each, "user_stream_rebuilds_total", **main) for each in (after, late)]
    assert rebuilds == [0, 1]
    assert value(late, "quarantined_frames_total", source='odd "source"') == 1
    assert value(before, "poll_interval_seconds") == 10
    assert value(before, "request_weight_limit") == 2400
    assert 0 < value(before, "request_weight_used", by="own") < 2400
    assert value(before, "last_commit_ok") == 1
    assert value(before, "start_time_seconds") == pytest.approx(START / 1000, abs=1)
    turns = "marginwatch_engine_turn_seconds"
    assert before[turns].samples["_count", ()] > 40
    assert after[turns].samples["_count", ()] > before[turns].samples["_count", ()] + 200


async def test_names_are_a_promise(autojump_clock: MockClock, tmp_path: Path, root: Path) -> None:
    """Each has its row in the reference, and there is none besides."""
    async with visited(Town(tmp_path, FALL)) as (_, visitor):
        read = prometheus.read((await visitor.get("/metrics")).text)
    rows = (root / "docs/reference/http.md").read_text().splitlines()
    told = {row.split("`")[1] for row in rows if row.startswith("| `marginwatch_")}
    assert told == set(read)


async def test_changes_arrive_while_somebody_watches(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, FALL)
    async with visited(town) as (_, visitor):
        await town.until(90)
        async with visitor.connected("/live") as live:
            assert live.head.status_code == 200
            event = await live.parts()
            assert set(event["parts"]) == {"state", "firing", "delivery", "silences", "account-0"}
            assert event["title"] == "Marginwatch"
            assert "Nothing fires." in event["parts"]["firing"]
            while event["title"] != "(1 warning) Marginwatch":
                event = await live.parts()
                assert set(event["parts"]) <= {"state", "firing", "delivery", "account-0"}
            assert 110 < town.seconds < 122
            assert "liquidation distance 8.0 %" in event["parts"]["firing"]
            while "clears at a mark" not in event["parts"].get("account-0", ""):
                event = await live.parts()
            # critical below 4 %, cleared beyond 8.8 % of the mark
            assert "≤ 56,475" in event["parts"]["account-0"]


async def test_nobody_watching_costs_nothing(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[float] = []

    def spy(*more: Any, **rest: Any) -> Any:
        searched.append(town.seconds)
        return triggers_of(*more, **rest)

    monkeypatch.setattr("monitor.app.http.seeking.triggers_of", spy)
    town = Town(tmp_path, FALL)
    async with visited(town) as (_, visitor):
        await town.until(50)
        assert (visitor.site.board.round, searched) == (0, [])
        assert (await visitor.get("/metrics")).status == 200
        assert (visitor.site.board.round, searched) == (0, []), "a scrape is no look at the page"
        async with visitor.connected("/live") as live:
            for _ in range(25):
                await live.parts()
        rounds = visitor.site.board.round
        assert 20 <= rounds <= 40
        begun = sorted({round(at) for at in searched})
        assert len(begun) in {2, 3, 4}, "every ten seconds"
        await town.until(town.seconds + 20)  # the end is noticed at the next send
        settled = visitor.site.board.round
        searched.clear()
        await town.until(town.seconds + 100)
        assert (visitor.site.board.round, searched) == (settled, [])


async def test_whoever_looks_once_is_shown_what_is_so_now(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    town = Town(tmp_path, FALL)
    async with visited(town) as (_, visitor):
        await town.until(50)
        first = (await visitor.get("/")).text
        assert "BTCUSDT" in first
        await town.until(56)
        assert "fires at a mark" in (await visitor.get("/")).text, "found for who looked before"
        await town.until(200)
        assert "2026-01-02 03:03:2" in (await visitor.get("/")).text
        rounds = visitor.site.board.round
        for _ in range(10):
            await visitor.get("/")
        assert visitor.site.board.round <= rounds + 1, "one round serves whoever asks at once"


async def test_only_so_many_watch(autojump_clock: MockClock, tmp_path: Path) -> None:
    town = Town(tmp_path, FALL)
    async with visited(town) as (_, visitor):
        await town.until(10)
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                async with visitor.connected("/live") as live:
                    while await live.piece():
                        pass

            for _ in range(MOST_WATCHERS):
                nursery.start_soon(watch)
            await town.until(13)
            assert (await visitor.get("/live")).status == 503
            assert (await visitor.get("/")).status == 200
            nursery.cancel_scope.cancel("they go")
        await town.until(40)
        async with visitor.connected("/live") as live:
            assert live.head.status_code == 200, "there is room again"


async def test_a_position_that_closes_while_it_is_looked_at(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rest gives a tick and more: everything may be otherwise after it."""

    async def long_rest(_: object) -> None:
        await trio.sleep(0.7)

    monkeypatch.setattr(Sparing, "rest", long_rest)
    monkeypatch.setattr(board, "GLIMPSE", 1000.0)
    close = """
[[do]]
at = "30s"
what = "order"
account = "main"
symbol = "BTCUSDT"
side = "sell"
quantity = "0.1"
"""
    town = Town(tmp_path, FALL + close, head=HEAD)
    async with visited(town) as (service, visitor):
        await town.until(20)
        await visitor.get("/")
        while town.seconds < 45:
            assert (await visitor.get("/")).status == 200
            await trio.sleep(0.3)
        assert not service.engine.portfolio.accounts["main"].holdings
        assert "no positions" in (await visitor.get("/")).text
