"""Apprise at arm's length, against a real HTTP server on loopback and the real clock."""

import io
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import trio

from monitor.core.message import Message
from monitor.errors import ConfigError
from monitor.notify import Console, Notifier, Sent, check_url

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")


@pytest.fixture
def server() -> Iterator[Any]:
    with receiver.Receiver() as made:
        yield made


async def loaded(url: str, **options: Any) -> Notifier:
    notifier = Notifier("phone", url, **options)
    await notifier.load()
    return notifier


# ------------------------------------------------------------------ what counts as sent


async def test_a_redirect_is_not_followed(server: Any) -> None:
    """Followed, the POST becomes a GET without its text, and counts as delivered."""
    server.script = ["302"]
    notifier = await loaded(server.url + "?redirect=yes")
    assert (await notifier.send(Message("", "text"))).status == "refused"
    assert server.gets == []


async def test_what_a_url_may_ask_for_does_not_break_the_promises(server: Any) -> None:
    """`optional` would call every failure a success, `retry` repeat without saying so."""
    server.script = ["500", "500"]
    notifier = await loaded(server.url + "?optional=yes&retry=3&wait=0&overflow=split")
    assert (await notifier.send(Message("", "x" * 100_000))).status == "refused"
    assert len(server.got) == 1


async def test_text_arrives_as_it_is(server: Any) -> None:
    notifier = await loaded(server.url)
    body = "distance < 5% & <b>\n  indented\n\n– “quotes” \\n *stars* _lines_"
    assert await notifier.send(Message("a <title> & more", body)) == Sent("sent")
    assert (server.got[0]["title"], server.got[0]["message"]) == ("a <title> & more", body)


async def test_text_is_cut_to_what_the_service_takes_in_one_request(server: Any) -> None:
    notifier = await loaded(server.url)
    await notifier.send(Message("t" * 1000, "x" * 100_000))
    (got,) = server.got
    assert len(got["title"]) == 250
    assert len(got["message"]) == 32_768
    assert got["message"].endswith("x…")


async def test_a_service_tells_how_long_to_wait(monkeypatch: Any) -> None:
    notifier = await loaded("tgram://123456789:abcdefg_hijklmnop/987654321/")
    service = notifier._apprise[0]

    def refuse(**_: Any) -> bool:
        token = "123456789:abcdefg_hijklmnop"
        service.logger.warning("%s: Too Many Requests: retry after 7, error=429", token)
        return False

    monkeypatch.setattr(service, "send", refuse)
    sent = await notifier.send(Message("", "text"))
    assert sent == Sent("refused", "***:***: Too Many Requests: retry after 7, error=429", 7.0)
    # What Apprise logs itself reaches none of our handlers. (caplog listens there all the same.)
    assert not service.logger.propagate


async def test_a_plug_in_that_raises_costs_one_attempt(monkeypatch: Any) -> None:
    notifier = await loaded("json://127.0.0.1:9/")
    monkeypatch.setattr(notifier._apprise, "notify", lambda *_, **__: 1 / 0)
    sent = await notifier.send(Message("", "text"))
    assert sent == Sent("unknown", "Apprise failed with ZeroDivisionError")


async def test_known_secrets_leave_the_detail_too() -> None:
    notifier = await loaded("json://127.0.0.1:9/", redact=lambda text: text.replace("JSON", "?"))
    assert "sending ? notification" in (await notifier.send(Message("", "text"))).detail


# ------------------------------------------------------------------ one message under way


async def test_a_hung_send_keeps_the_channel_until_it_ends(server: Any) -> None:
    server.script = ["hang"]
    notifier = await loaded(server.url, deadline_s=0.2, abandon_after_s=30)
    assert (await notifier.send(Message("", "first"))).status == "unknown"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.send, Message("", "second"))
        await trio.sleep(0.2)
        assert server.messages == ["first"], "two messages were under way"
        server.release.set()
    assert server.messages == ["first", "second"]


async def test_a_send_that_hangs_too_long_is_given_up(server: Any) -> None:
    server.script = ["hang"]
    notifier = await loaded(server.url, deadline_s=0.2, abandon_after_s=0.4)
    started = trio.current_time()
    assert (await notifier.send(Message("", "first"))).status == "unknown"
    assert (await notifier.send(Message("", "second"))).status == "sent"
    assert 0.4 <= trio.current_time() - started < 5
    assert server.messages == ["first", "second"]


async def test_one_channel_that_hangs_delays_no_other(server: Any) -> None:
    with receiver.Receiver(["hang"] * 20) as hung:
        stuck = [await loaded(hung.url, deadline_s=2) for _ in range(20)]
        healthy = await loaded(server.url)
        async with trio.open_nursery() as nursery:
            for notifier in stuck:
                nursery.start_soon(notifier.send, Message("", "text"))
            await trio.sleep(0.1)
            with trio.fail_after(1):
                assert (await healthy.send(Message("", "text"))).status == "sent"
            nursery.cancel_scope.cancel()


def test_a_hung_send_does_not_keep_the_program_alive(server: Any) -> None:
    """Trio's worker threads are daemons; Apprise's own pool would wait for them at exit."""
    server.script = ["hang"]
    program = f"""
        import trio
        from monitor.core.message import Message
        from monitor.notify import Notifier
        async def main():
            notifier = Notifier("phone", "{server.url}", deadline_s=0.2)
            await notifier.load()
            print((await notifier.send(Message("", "text"))).status)
        trio.run(main)
    """
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        timeout=30,
        check=True,
    )
    took = time.monotonic() - started
    assert done.stdout == b"unknown\n"
    # The imports take their time, on a busy machine a lot; an exit that waits would take for ever.
    assert took < 20


# ------------------------------------------------------------------ URLs


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        pytest.param("json://localhost/", None, id="fine"),
        pytest.param("console://", None, id="console"),
        pytest.param("tgram://bad-token", "Apprise does not take its url.", id="bad token"),
        pytest.param("s3cret", "Apprise does not take its url.", id="no url"),
        pytest.param("", "Apprise does not take its url.", id="empty"),
        pytest.param(
            "json://a json://b",
            "its url names 2 services; write a [[channel]] for each.",
            id="two services",
        ),
    ],
)
def test_a_url_is_checked(url: str, fault: str | None) -> None:
    assert check_url(url) == fault


async def test_a_url_that_apprise_does_not_take_is_told_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ConfigError) as caught:
        await loaded("tgram://s3cret-token/chat")
    assert str(caught.value) == (
        'channel "phone": Apprise does not take its url.\n'
        "Compare its url with https://github.com/caronc/apprise/wiki"
        " (the url itself is not shown, it is a secret)."
    )
    assert "s3cret" not in caplog.text + repr(Notifier("phone", "tgram://s3cret-token/chat"))


# ------------------------------------------------------------------ the console


async def test_the_console_prints_the_lines_themselves() -> None:
    out = io.StringIO()
    notifier = await loaded("console://", console=Console(out))
    assert await notifier.send(Message("", '{"id": 1, "text": "5% <b> & \\n"}')) == Sent("sent")
    assert await notifier.send(Message("a title", "first\n  second\n\nlast")) == Sent("sent")
    assert out.getvalue() == (
        '{"id": 1, "text": "5% <b> & \\n"}\na title\n  first\n    second\n\n  last\n'
    )


async def test_two_consoles_are_two(server: Any) -> None:
    outs = [io.StringIO(), io.StringIO()]
    for number, out in enumerate(outs):
        notifier = await loaded("console://", console=Console(out))
        await notifier.send(Message("", f"text {number}"))
    assert [out.getvalue() for out in outs] == ["text 0\n", "text 1\n"]


async def test_a_console_that_nobody_reads_is_a_refusal() -> None:
    class Broken(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    for out in (Broken(), closed := io.StringIO()):
        closed.close()
        notifier = await loaded("console://", console=Console(out))
        assert (await notifier.send(Message("", "text"))).status == "refused"
