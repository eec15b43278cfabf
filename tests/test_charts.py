"""Pictures behind criticals: when they are sent and when dropped; then with real Apprise."""

import base64
import io
import logging
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from monitor.app.charts import Charts
from monitor.cli.serving import Senders
from monitor.config import Channel
from monitor.core.events import Now
from monitor.core.message import Message
from monitor.core.notices import Notice, Target
from monitor.core.rules import Rule, Severity
from monitor.notify import Console, Notifier, Sent
from monitor.outbox import Leisure
from tests.core.worlds import World, level, marks, poll, position, rule

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")

UTC_MS = 1_767_322_800_000
PNG = b"\x89PNG\r\n\x1a\n"
Clock = trio.testing.MockClock

BTC = Target("main", "BTCUSDT", "BOTH", "long")
ETH = Target("main", "ETHUSDT", "BOTH", "long")
NEAR = rule("near", level(Severity.CRITICAL, "liquidation_distance < 4%"))


def now() -> Now:
    elapsed = round(trio.current_time() * 1000)
    return Now(elapsed + 1000, UTC_MS + elapsed)


def critical(number: int, target: Target = BTC, kind: str = "fired") -> Notice:
    return Notice(number, now().utc, kind, Severity.CRITICAL, "near", target)


class Studio:
    """Charts with everything around them played."""

    def __init__(
        self,
        *,
        charts: str | None = "dark",
        in_thread: Any = receiver.inline,
        rules: Callable[[str], Rule | None] = {"near": NEAR}.get,
    ) -> None:
        world = World()
        world.tell(1, poll(1, position(mark="55000", iw="600")))
        self.sent: list[tuple[float, str, str, bytes]] = []
        self.leisure: Callable[[float], Leisure] = lambda _: Leisure.FREE
        self.takes = 0.0
        self.answer = Sent("sent")
        self.begun: list[int] = []
        self.charts = Charts(
            self.channels(charts),
            accounts={"main": world.account},
            rule=rules,
            send=self.send,
            leisure=self._leisure,
            now=now,
            zone=UTC,
            log=logging.getLogger("test.charts"),
            in_thread=in_thread,
        )

    @staticmethod
    def channels(charts: str | None) -> list[Channel]:
        made = {"url": "json://127.0.0.1:9", "charts": charts}
        return [Channel.model_validate({"name": name, **made}) for name in ("phone", "desk")]

    def _leisure(self, channel: str, begun: int) -> Leisure:
        assert channel in {"phone", "desk"}
        self.begun.append(begun)
        return self.leisure(trio.current_time())

    async def send(self, channel: str, caption: str, png: bytes) -> Sent:
        self.sent.append((round(trio.current_time(), 2), channel, caption, png))
        await trio.sleep(self.takes)
        return self.answer

    def tell(self, *notices: Notice, channels: Sequence[str] = ("phone",)) -> None:
        """Make notices; their texts get through at once."""
        for notice in notices:
            self.charts.keep(notice)
        for channel in channels:
            self.charts.heard(channel, notices)

    @property
    def pictures(self) -> list[tuple[float, str, str]]:
        """(virtual time, channel, caption) of each."""
        assert all(png.startswith(PNG) for *_, png in self.sent)
        return [(at, channel, caption) for at, channel, caption, _ in self.sent]


@asynccontextmanager
async def at_work(studio: Studio) -> AsyncIterator[Studio]:
    async with trio.open_nursery() as nursery:
        await nursery.start(studio.charts.run)
        yield studio
        nursery.cancel_scope.cancel()


CAPTION = "BTCUSDT long (main): the last hour"


async def test_a_picture_follows_each_text(autojump_clock: Clock) -> None:
    async with at_work(Studio()) as studio:
        studio.tell(critical(1), channels=["phone", "desk"])
        await trio.sleep(1)
        assert sorted(studio.pictures) == [(0, "desk", CAPTION), (0, "phone", CAPTION)]
        one, two = (png for *_, png in studio.sent)
        assert one is two, "it was drawn once"


@pytest.mark.parametrize(
    "notice",
    [
        lambda: critical(1, kind="reminder"),
        lambda: critical(1, kind="resolved"),
        lambda: Notice(1, now().utc, "fired", Severity.WARNING, "near", BTC),
        lambda: critical(1, Target("main", asset="USDT")),
        lambda: critical(1, Target("")),
    ],
)
async def test_what_else_is_told_has_no_picture(
    autojump_clock: Clock, notice: Callable[[], Notice]
) -> None:
    async with at_work(Studio()) as studio:
        studio.tell(notice())
        await trio.sleep(120)
        assert studio.pictures == []


async def test_without_charts_nothing_is_kept(autojump_clock: Clock) -> None:
    async with at_work(Studio(charts=None)) as studio:
        studio.charts.note(marks(1, BTCUSDT="55000").marks)
        studio.tell(critical(1))
        await trio.sleep(120)
        assert studio.pictures == []
        assert studio.charts._orders == {}
        assert studio.charts._trails.last_hour("BTCUSDT", now().utc) == ()


async def test_a_notice_of_an_earlier_run_has_none(autojump_clock: Clock) -> None:
    async with at_work(Studio()) as studio:
        studio.charts.heard("phone", [critical(1)])  # its text came out of the store
        await trio.sleep(120)
        assert studio.pictures == []


async def test_a_picture_waits_for_an_idle_channel(autojump_clock: Clock) -> None:
    async with at_work(Studio()) as studio:
        studio.leisure = lambda at: Leisure.FREE if at >= 20 else Leisure.LATER
        studio.tell(critical(1))
        await trio.sleep(120)
        assert studio.pictures == [(20, "phone", CAPTION)]


async def test_a_picture_that_is_a_minute_late_is_dropped(autojump_clock: Clock) -> None:
    async with at_work(Studio()) as studio:
        studio.leisure = lambda at: Leisure.FREE if at > 60 else Leisure.LATER
        studio.tell(critical(1))
        await trio.sleep(61)
        studio.charts.heard("desk", [critical(1)])  # the text itself came late
        await trio.sleep(120)
        assert studio.pictures == []
        studio.tell(critical(2))
        await trio.sleep(1)
        assert [channel for _, channel, _ in studio.pictures] == ["phone"]


async def test_a_picture_is_dropped_where_a_critical_waits(autojump_clock: Clock) -> None:
    async with at_work(Studio()) as studio:
        studio.leisure = lambda at: Leisure.FREE if at >= 1 else Leisure.NONE
        studio.tell(critical(1))
        await trio.sleep(2)
        studio.tell(critical(2))
        await trio.sleep(120)
        assert [at for at, *_ in studio.pictures] == [2]


async def test_pictures_of_one_channel_are_apart_and_the_newest_of_a_position_stays(
    autojump_clock: Clock,
) -> None:
    async with at_work(Studio()) as studio:
        studio.charts.note(marks(1, ETHUSDT="3000").marks)
        studio.tell(*(critical(number, ETH if number == 2 else BTC) for number in range(1, 8)))
        await trio.sleep(120)
        assert studio.pictures == [
            (0, "phone", "ETHUSDT long (main): the last hour"),
            (3, "phone", CAPTION),
        ]
        assert studio.begun[-1] == 1, "the outbox is told of the one before"


async def test_few_pictures_wait(autojump_clock: Clock) -> None:
    async with at_work(Studio()) as studio:
        symbols = [f"S{number}USDT" for number in range(40)]
        studio.charts.note(marks(1, **dict.fromkeys(symbols, "1")).marks)
        targets = [Target("main", symbol, "BOTH", "long") for symbol in symbols]
        studio.tell(*(critical(number, target) for number, target in enumerate(targets)))
        await trio.sleep(120)
        assert [caption.split()[0] for *_, caption in studio.pictures] == symbols[-5:]


async def test_a_hung_picture_keeps_no_other_channel_waiting(autojump_clock: Clock) -> None:
    async with at_work(Studio()) as studio:
        studio.takes = 1_000
        studio.tell(critical(1))
        studio.tell(critical(2), channels=["desk"])
        await trio.sleep(70)
        studio.takes = 0
        studio.tell(critical(3))
        await trio.sleep(10)
        assert sorted((at, channel) for at, channel, _ in studio.pictures) == [
            (0, "desk"),
            (0, "phone"),
            (70, "phone"),
        ]


async def test_a_refused_picture_is_not_tried_again_and_the_next_waits_as_long_as_asked(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(Studio()) as studio:
        studio.answer = Sent("refused", "too large", 30)
        studio.tell(critical(1))
        await trio.sleep(10)
        studio.tell(critical(2))
        await trio.sleep(120)
        assert [at for at, *_ in studio.pictures] == [0, 30]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["channel phone: a chart is dropped: refused: too large"], "once"


async def test_a_picture_that_cannot_be_made_stops_nobody(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("no font")

    studio = Studio(in_thread=broken)
    async with at_work(studio):
        studio.tell(critical(1))
        await trio.sleep(120)
        studio.charts._in_thread = receiver.inline
        studio.tell(critical(2))
        await trio.sleep(1)
    assert [at for at, *_ in studio.pictures] == [120]
    assert [record.getMessage() for record in caplog.records] == [
        "channel phone: a chart is dropped; this is a bug"
    ]


async def test_a_drawing_that_hangs_is_not_waited_for(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def hung(*_: Any, **__: Any) -> None:
        await trio.sleep(1_000)

    async with at_work(Studio(in_thread=hung)) as studio:
        studio.tell(critical(1), channels=["phone", "desk"])
        await trio.sleep(21)
        assert not any(easel.busy for easel in studio.charts._easels.values())
    told = "a chart took too long to draw, and is dropped"
    assert [record.getMessage() for record in caplog.records] == [told, told]


async def test_a_channel_that_is_gone_gets_nothing_and_one_that_is_new_does(
    autojump_clock: Clock,
) -> None:
    async with at_work(Studio(charts=None)) as studio:
        studio.charts.replace(Studio.channels("light"))
        studio.leisure = lambda at: Leisure.FREE if at != 0 else Leisure.LATER
        studio.tell(critical(1), critical(2, ETH))
        await trio.sleep(0.1)
        studio.charts.replace([])
        studio.tell(critical(3))
        await trio.sleep(120)
        assert [at for at, *_ in studio.pictures] == [0.25], "the one that was begun"


async def test_a_position_that_is_gone_is_shown_as_it_was(autojump_clock: Clock) -> None:
    studio = Studio()
    async with at_work(studio):
        notice = critical(1, kind="happened")
        studio.charts.keep(notice)
        studio.charts._accounts["main"].holdings.clear()
        studio.charts.heard("phone", [notice])
        await trio.sleep(1)
        assert studio.pictures == [(0, "phone", CAPTION)]
        (order,) = studio.charts._orders.values()
        assert str(order.scene.liquidation) == "54000"


# ------------------------------------------------------------------ real threads, real Apprise


@pytest.fixture
def server() -> Iterator[Any]:
    with receiver.Receiver() as made:
        yield made


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a thread of the receiver changes it
        await trio.sleep(0.01)


def sending(url: str, scale: float = 1.0) -> tuple[Senders, list[Channel]]:
    channel = Channel.model_validate({"name": "phone", "url": url, "charts": "light"})
    return Senders(str, Console(io.StringIO()), scale), [channel]


async def test_the_text_comes_first_and_the_picture_second(server: Any) -> None:
    senders, channels = sending(server.url)
    await senders.admit(channels)
    studio = Studio(in_thread=trio.to_thread.run_sync)
    studio.charts._send = senders.picture
    async with at_work(studio):
        with trio.fail_after(20):
            notice = critical(7)
            studio.charts.keep(notice)
            assert await senders("phone", Message("CRITICAL", "text\n#7")) == Sent("sent")
            studio.charts.heard("phone", [notice])
            await until(lambda: len(server.got) == 2)
    text, picture = server.got
    assert (text["title"], text["message"], text["attachments"]) == ("CRITICAL", "text\n#7", [])
    assert (picture["title"], picture["message"]) == ("", CAPTION)
    (attached,) = picture["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("chart.png", "image/png")
    assert base64.b64decode(attached["base64"]).startswith(PNG)


async def test_telegram_gets_a_photo_with_a_caption_in_one_request(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = Notifier("phone", "tgram://123456789:abcdefg_hijklmnop/987654321/")
    await notifier.load()
    monkeypatch.setattr(notifier._apprise[0], "notify_url", f"http://127.0.0.1:{server.port}/bot")
    server.body = '{"ok": true, "result": {}}'
    assert await notifier.send(Message("", CAPTION), PNG) == Sent("sent")
    (got,) = server.got
    assert server.paths == ["/bot123456789:abcdefg_hijklmnop/sendPhoto"]
    assert (got["caption"], got["photo"]) == (CAPTION.encode(), PNG)


async def test_a_hung_upload_delays_no_text(server: Any) -> None:
    senders, channels = sending(server.url)
    await senders.admit(channels)
    server.script = ["hang"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(senders.picture, "phone", "caption", PNG)
        with trio.fail_after(10):
            await until(lambda: bool(server.got))
            begun = time.perf_counter()
            for number in range(3):
                assert await senders("phone", Message("", f"text {number}")) == Sent("sent")
        assert time.perf_counter() - begun < 2
        nursery.cancel_scope.cancel()
    assert server.messages == ["caption", "text 0", "text 1", "text 2"]


async def test_a_hung_upload_is_waited_for_no_longer_than_its_deadline(server: Any) -> None:
    senders, channels = sending(server.url, scale=0.01)
    await senders.admit(channels)
    server.script = ["hang"]
    with trio.fail_after(10):
        sent = await senders.picture("phone", "caption", PNG)
    assert sent == Sent("unknown", "no answer within 0.3 s")


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_the_file_is_for_nobody_else_and_gone_afterwards(
    server: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[tuple[int, int]] = []
    notifier = Notifier("phone", server.url)
    await notifier.load()
    send = notifier._apprise[0].send

    def look(**of: Any) -> Any:
        seen.extend((stat.S_IMODE(f.stat().st_mode), f.stat().st_size) for f in tmp_path.iterdir())
        return send(**of)

    monkeypatch.setattr(notifier._apprise[0], "send", look)
    assert await notifier.send(Message("", "caption"), PNG) == Sent("sent")
    assert seen == [(0o600, len(PNG))]
    assert names(tmp_path) == []
    server.script = ["500"]
    assert (await notifier.send(Message("", "caption"), PNG)).status == "refused"
    assert names(tmp_path) == []


async def test_no_secret_is_in_a_refusal_of_a_picture(server: Any) -> None:
    notifier = Notifier("phone", server.url)
    await notifier.load()
    server.script = ["500"]
    sent = await notifier.send(Message("", "caption"), PNG)
    assert sent.status == "refused"
    assert "s3cret" not in sent.detail


@pytest.mark.parametrize(
    ("url", "takes"),
    [
        ("json://127.0.0.1:9", True),
        ("tgram://123456789:abcdefg_hijklmnop/987654321/", True),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", True),
        ("ntfy://topic", True),
        ("slack://xoxb-123456789012-1234567890123-4mt0t4l1YL3g1T5L4cK70k3N/#alerts", True),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts", False),
        ("mmost://127.0.0.1/3ccdd113474722377935511fc85d3dd4", False),
        ("console://", False),
    ],
)
async def test_which_services_take_pictures(url: str, *, takes: bool) -> None:
    notifier = Notifier("phone", url)
    assert not notifier.takes_pictures, "not known yet"
    await notifier.load()
    assert notifier.takes_pictures is takes


async def test_a_service_that_takes_no_pictures_gets_no_empty_message(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        channel = Channel.model_validate({"name": "phone", "url": "console://"})
        senders = Senders(str, Console(file), 1.0)
        await senders.admit([channel])
        sent = await senders.picture("phone", "caption", PNG)
    assert sent == Sent("refused", "its service takes no pictures")
    assert (tmp_path / "out").read_text() == ""
