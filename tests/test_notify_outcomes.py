"""What becomes of a message: each row of outcomes.txt, against a real server and the real clock."""

import logging
import socket
import ssl
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import trio
import trustme

from monitor.core.message import Message
from monitor.notify import Notifier, Sent
from monitor.notify.exchange import LONGEST_WAIT, wait_asked, wait_in_words

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")

TOKEN = "123456789:abcdefg_hijklmnop"
TEXT = Message("1 1", "text")


@pytest.fixture
def server() -> Iterator[Any]:
    with receiver.Receiver() as made:
        yield made


async def loaded(url: str, **options: Any) -> Notifier:
    notifier = Notifier("phone", url, **options)
    await notifier.load()
    return notifier


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def url_for(behaviour: str, server: Any) -> str:
    """Where a behaviour is met with; the read timeout is Apprise's own, 4 s unless the URL says."""
    if behaviour == "no-port":
        return f"json://127.0.0.1:{closed_port()}/s3cret-path"
    if behaviour == "no-tls":
        return f"jsons://127.0.0.1:{server.port}/s3cret-path"
    return f"{server.url}?rto=0.2" if behaviour == "slow" else str(server.url)


# ------------------------------------------------------------------ the table


@pytest.mark.parametrize("kind", ["real", "fake"])
@pytest.mark.parametrize("behaviour", receiver.BEHAVIOURS)
async def test_the_outcome_is_that_of_the_table_and_the_fake_answers_as_the_real_one_does(
    server: Any, kind: str, behaviour: str
) -> None:
    server.script = [behaviour]
    with trio.fail_after(10):
        if kind == "real":
            notifier = await loaded(url_for(behaviour, server), deadline_s=0.6)
            sent = await notifier.send(TEXT)
        else:
            fake = receiver.FakeService({"phone": [behaviour]})
            fake.DEADLINE = 0.01
            sent = await fake.send("phone", TEXT)
    assert sent.status == receiver.BEHAVIOURS[behaviour]
    assert sent.retry_after == receiver.WAITS.get(behaviour)
    assert bool(sent.detail) == (sent.status != "sent")
    assert "s3cret" not in sent.detail


FAILED = "A Connection error occurred sending JSON notification to ***."


@pytest.mark.parametrize(
    ("behaviour", "detail"),
    [
        ("500", "Failed to send JSON POST notification: Internal server error., error=500."),
        ("429", "Failed to send JSON POST notification: error=429."),
        ("429-year", "too many requests (HTTP 429); it asks to wait 3600 s"),
        ("no-port", f"{FAILED} (no connection)"),
        ("no-tls", f"{FAILED} (its certificate is not trusted, or TLS failed)"),
        ("slow", f"{FAILED} (connected, but no answer in time)"),
        ("close", f"{FAILED} (connected, but cut off before the answer was complete)"),
        ("cut", f"{FAILED} (connected, but cut off before the answer was complete)"),
        ("flood", f"{FAILED} (connected, but cut off before the answer was complete)"),
        ("hang", "no answer within 0.6 s"),
    ],
)
async def test_the_detail_says_why(server: Any, behaviour: str, detail: str) -> None:
    server.script = [behaviour]
    notifier = await loaded(url_for(behaviour, server), deadline_s=0.6)
    assert (await notifier.send(TEXT)).detail == detail


async def test_a_name_without_address_is_a_refusal(monkeypatch: Any) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    notifier = await loaded("json://chat.example/s3cret-path")
    assert await notifier.send(TEXT) == Sent("refused", f"{FAILED} (its name has no address)")


async def test_what_was_told_to_wait_is_not_sent_again_by_the_plug_in(
    server: Any, monkeypatch: Any
) -> None:
    """Discord's plug-in sleeps in the thread, as long as a header says, and tries once more."""
    plugin = import_module("apprise.plugins.discord").NotifyDiscord
    monkeypatch.setattr(plugin, "notify_url", f"http://127.0.0.1:{server.port}/webhooks")
    server.script = ["429-discord", "ok"]
    notifier = await loaded("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    notifier._apprise[0].ratelimit_remaining = 0.0
    notifier._apprise[0].ratelimit_reset = notifier._apprise[0].ratelimit_reset.replace(year=2999)
    with trio.fail_after(5):
        sent = await notifier.send(TEXT)
    text = "too many requests (HTTP 429); it asks to wait 0.529 s"
    assert sent == Sent("refused", text, 0.529)
    assert len(server.got) == 1
    assert await notifier.send(TEXT) == Sent("sent"), "the next message is a new exchange"


# ------------------------------------------------------------------ what Telegram and Slack answer


@pytest.fixture
def telegram(server: Any, monkeypatch: Any) -> str:
    plugin = import_module("apprise.plugins.telegram").NotifyTelegram
    monkeypatch.setattr(plugin, "notify_url", f"http://127.0.0.1:{server.port}/bot")
    return f"tgram://{TOKEN}/987654321/"


@pytest.fixture
def slack(server: Any, monkeypatch: Any) -> str:
    plugin = import_module("apprise.plugins.slack").NotifySlack
    monkeypatch.setattr(plugin, "webhook_url", f"http://127.0.0.1:{server.port}/services")
    server.body = "ok"  # a webhook's whole answer
    return "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#risk"


async def test_telegram_asks_to_wait(server: Any, telegram: str) -> None:
    server.script = ["429-telegram"]
    sent = await (await loaded(telegram)).send(TEXT)
    assert sent == Sent("refused", "too many requests (HTTP 429); it asks to wait 7 s", 7.0)


async def test_telegram_asks_to_wait_in_words_alone(
    server: Any, telegram: str, monkeypatch: Any
) -> None:
    body = '{"ok": false, "description": "Too Many Requests: retry after 7"}'
    monkeypatch.setitem(receiver._ANSWERS, "words", (429, {}, body))
    server.script = ["words"]
    sent = await (await loaded(telegram)).send(TEXT)
    assert (sent.status, sent.retry_after) == ("refused", 7.0)


async def test_slack_asks_to_wait(server: Any, slack: str) -> None:
    """Its plug-in logs "error=429." and drops the header."""
    server.script = ["429-header", "500"]
    notifier = await loaded(slack)
    text = "too many requests (HTTP 429); it asks to wait 7 s"
    assert await notifier.send(TEXT) == Sent("refused", text, 7.0)
    assert (await notifier.send(TEXT)).retry_after is None, "what was asked once is not kept"


async def test_slack_that_answers_something_else_than_ok_has_refused(
    server: Any, slack: str
) -> None:
    server.body = "invalid_payload"
    sent = await (await loaded(slack)).send(TEXT)
    assert sent == Sent("refused", "Failed to send to Slack: error=200.")


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "7"}, "", 7),
        ({"Retry-After": " 0.5 "}, "", 0.5),
        ({"Retry-After": "0"}, "", 0),
        ({"Retry-After": "9" * 400}, "", LONGEST_WAIT),
        ({"Retry-After": "-5"}, "", None),
        ({"Retry-After": "nan"}, "", None),
        ({"Retry-After": "inf"}, "", None),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:12 GMT"}, "", None),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:12 GMT", "Date": "gestern"}, "", None),
        (
            {"Retry-After": "Fri, 02 Jan 2026 03:04:12", "Date": "Fri, 02 Jan 2026 03:04:05 GMT"},
            "",
            None,
        ),
        (
            {
                "Retry-After": "Fri, 02 Jan 2026 03:04:05 GMT",
                "Date": "Sat, 03 Jan 2026 00:00:00 GMT",
            },
            "",
            0,
        ),
        ({"X-RateLimit-Reset-After": "1.25", "Retry-After": "2"}, "", 1.25),
        ({}, '{"retry_after": "1.5"}', 1.5),
        ({}, '{"retry_after": 1e400}', None),
        ({}, '{"retry_after": true}', None),
        ({}, '{"retry_after_ms": true}', None),
        ({}, '{"parameters": {"retry_after": 86400000}}', LONGEST_WAIT),
        ({}, '{"parameters": [1]}', None),
        ({}, "[]", None),
        ({}, "[" * 90_000, None),
        ({}, '{"retry_after": 7}' + " " * 100_000, None),
        ({}, "\x00<html>", None),
    ],
)
def test_how_long_to_wait_is_read_and_nonsense_is_not_believed(
    headers: dict[str, str], body: str, seconds: float | None
) -> None:
    assert wait_asked(headers, body.encode()) == seconds


def test_how_long_to_wait_is_read_from_words() -> None:
    assert wait_in_words(["first", "Too Many Requests: retry after 7, error=429."]) == 7
    assert wait_in_words(["Retry-After: 1.5"]) == 1.5
    assert wait_in_words([f"retry after {'9' * 400}"]) == LONGEST_WAIT
    assert wait_in_words(["no number", "retry after"]) is None


# ------------------------------------------------------------------ nobody is held up


@pytest.mark.parametrize("behaviour", ["hang", "drip", "drip-body"])
async def test_the_token_is_kept_then_given_up_and_the_connection_is_cut(
    server: Any, behaviour: str
) -> None:
    """Else each try at a service that drips leaves a thread and a socket behind, for ever."""
    server.script = [behaviour, "ok"]
    notifier = await loaded(server.url, deadline_s=0.3, abandon_after_s=0.8)
    token = notifier._limiter
    began = trio.current_time()
    with trio.fail_after(10):
        assert await notifier.send(TEXT) == Sent("unknown", "no answer within 0.3 s")
        assert 0.3 <= trio.current_time() - began < 0.7, "it ends at our deadline"
        assert await notifier.send(TEXT) == Sent("sent")
        assert trio.current_time() - began >= 0.8, "the token was kept"
    assert server.messages == ["text", "text"]
    with trio.fail_after(2):  # sooner than Apprise's own read timeout
        async with token:
            assert not notifier._limiter.borrowed_tokens
        if behaviour != "hang":
            assert await trio.to_thread.run_sync(server.left.wait, 2), "nobody reads any more"


async def test_over_tls_likewise() -> None:
    """A TLS socket is another object than the one that was connected."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with receiver.Receiver(["ok", "close", "429-header", "drip-body"], tls=context) as server:
        url = server.url.replace("json://", "jsons://") + "?verify=no"
        notifier = await loaded(url, deadline_s=0.3, abandon_after_s=0.5)
        with trio.fail_after(10), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # urllib3 warns of `verify=no`
            sent = [await notifier.send(TEXT) for _ in range(5)]
            assert await trio.to_thread.run_sync(server.left.wait, 2), "the connection was not cut"
    statuses = [each.status for each in sent]
    assert statuses == ["sent", "unknown", "refused", "unknown", "sent"]
    assert sent[2].retry_after == 7


# ------------------------------------------------------------------ secrets


async def test_nothing_that_is_logged_told_or_raised_holds_a_part_of_a_url(
    server: Any, telegram: str, slack: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The root logger listens at DEBUG, as in `run`: what propagates to it is what is written."""
    heard: list[logging.LogRecord] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    handler = Listener(logging.DEBUG)
    root = logging.getLogger()
    caplog.set_level(logging.DEBUG)
    root.addHandler(handler)
    try:
        urls = [str(server.url), telegram, slack, f"jsons://u5er:s3cret@127.0.0.1:{server.port}/x"]
        told = []
        for url in urls:
            server.script = ["500", "429-telegram", "429-garbled", "302", "close", "cut", "ok"]
            notifier = await loaded(f"{url}?rto=0.3" if url.startswith("json") else url)
            told += [repr(await notifier.send(TEXT)) for _ in range(7)]
            told.append(repr(notifier))
    finally:
        root.removeHandler(handler)
    said = "\n".join([*told, *(f"{record.__dict__} {record.getMessage()}" for record in heard)])
    assert len(told) == 4 * 8
    for secret in ("s3cret", "hijklmnop", "123456789", "T1JJ3T3L2", "A1BRTD4JD", "TIiajkdn"):
        assert secret not in said
