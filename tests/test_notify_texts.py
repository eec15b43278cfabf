"""Title and text as each service gets them: what is escaped, what is cut, what stays.

Real payloads: the plug-ins of Apprise talk to a server of ours.
"""

import json
from collections.abc import Iterator
from datetime import UTC
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.digest import Tried, compose_all, most
from monitor.core.message import Message
from monitor.notify import Console, Notifier, Sent
from monitor.notify.fitting import fitted

# By name, so that mypy does not see one file under two module names.
receiver = import_module("tests.receiver")

URLS = {
    "telegram": "tgram://123456789:abcdefg_hijklmnop/987654321/",
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#risk",
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "pushover": f"pover://{'u' * 30}@{'a' * 30}",
    "ntfy": "ntfy://topic",
}
FOOTER = "#4821 · 2026-01-02 03:09:02 UTC · since 03:04:13 · (attempt 2)"
TITLE = "CRITICAL: BTCUSDT long (main): margin & <room> 🔥"
BODY = (
    f"margin_room < 20% & *two* _it_ `code` ~s~ \\ 🔥\n  \u202eRTL\u202c > 1\n\n<b>x</b>\n{FOOTER}"
)


@pytest.fixture
def server(monkeypatch: Any) -> Iterator[Any]:
    """Stand in for every service; only Slack looks at what is answered."""
    with receiver.Receiver(body="ok") as made:
        here = f"http://127.0.0.1:{made.port}"
        for module, name, attribute in [
            ("telegram", "NotifyTelegram", "notify_url"),
            ("slack", "NotifySlack", "webhook_url"),
            ("discord", "NotifyDiscord", "notify_url"),
            ("pushover", "NotifyPushover", "notify_url"),
            ("ntfy", "NotifyNtfy", "cloud_notify_url"),
        ]:
            plugin = getattr(import_module(f"apprise.plugins.{module}"), name)
            monkeypatch.setattr(plugin, attribute, f"{here}/{module}")
        yield made


async def loaded(url: str) -> Notifier:
    notifier = Notifier("phone", url)
    await notifier.load()
    return notifier


async def payload(server: Any, url: str, message: Message) -> dict[str, Any]:
    """Send a message, and return what the service got."""
    assert await (await loaded(url)).send(message) == Sent("sent")
    (got,) = server.got
    return dict(got)


# ------------------------------------------------------------------ escaped


async def test_telegram_gets_html_with_everything_escaped(server: Any) -> None:
    got = await payload(server, URLS["telegram"], Message(TITLE, BODY))
    assert server.paths == ["/telegram123456789:abcdefg_hijklmnop/sendMessage"]
    assert got == {
        "chat_id": 987654321,
        "disable_notification": False,
        "disable_web_page_preview": True,
        "parse_mode": "HTML",
        # Apprise takes out indentation and blank lines.
        "text": "<b>CRITICAL: BTCUSDT long (main): margin &amp; &lt;room&gt; 🔥</b>\r\n"
        "margin_room &lt; 20% &amp; *two* _it_ `code` ~s~ \\ 🔥\r\n"
        "\u202eRTL\u202c &gt; 1\r\n&lt;b&gt;x&lt;/b&gt;\r\n" + FOOTER,
    }


async def test_slack_gets_plain_text_with_its_three_characters_escaped(server: Any) -> None:
    got = await payload(server, URLS["slack"], Message(TITLE, BODY))
    assert server.paths == ["/slack/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"]
    assert (got["mrkdwn"], got["channel"]) == (False, "#risk")
    (attachment,) = got["attachments"]
    assert attachment["title"] == ("CRITICAL: BTCUSDT long (main): margin &amp; &lt;room&gt; 🔥")
    assert attachment["text"] == (
        "margin_room &lt; 20% &amp; *two* _it_ `code` ~s~ \\ 🔥\n"
        "  \u202eRTL\u202c &gt; 1\n\n&lt;b&gt;x&lt;/b&gt;\n" + FOOTER
    )


async def test_discord_would_take_stars_for_markup(server: Any) -> None:
    """Without our backslashes `a*b > c*d` would lose its stars; links must not get any."""
    link = "see https://example.com/a_b_/_x_*y"
    got = await payload(server, URLS["discord"], Message(TITLE, f"{link}\n{BODY}"))
    assert got["content"] == (
        f"{TITLE}\r\n{link}\nmargin_room < 20% & \\*two\\* \\_it\\_ \\`code\\` \\~s\\~ \\\\ 🔥\n"
        f"  \u202eRTL\u202c > 1\n\n<b>x</b>\n{FOOTER}"
    )


async def test_a_markup_that_a_url_asks_for_is_escaped_once(server: Any) -> None:
    got = await payload(server, f"{URLS['discord']}?format=markdown", Message("", "a *b* `c`"))
    assert got["embeds"][0]["description"] == "a \\*b\\* \\`c\\`"


@pytest.mark.parametrize("service", ["pushover", "ntfy"])
async def test_others_get_the_text_as_it_is(server: Any, service: str) -> None:
    got = await payload(server, URLS[service], Message(TITLE, BODY))
    assert (got["title"], got["message"]) == (TITLE, BODY)


async def test_what_no_service_could_take_is_replaced(server: Any) -> None:
    """Half an emoji is no UTF-8; a NUL ends a text early; a line end in a title ends a mail's."""
    message = Message("a\ntitle\r", "half \ud83d, null \x00, escape \x1b[31m,\ttab\r\nlast")
    got = await payload(server, URLS["pushover"], message)
    assert got["title"] == "a title"
    assert got["message"] == "half ?, null  , escape  [31m,\ttab \nlast"


# ------------------------------------------------------------------ cut

LIMITS = {"telegram": 4096, "slack": 35_000, "discord": 2000, "pushover": 1024, "ntfy": 3800}


def said(service: str, got: dict[str, Any]) -> tuple[str, str, int]:
    """What a reader sees: title and text; and how much the service counts, in its own way."""
    if service == "telegram":
        # It counts UTF-16 after it has read the entities.
        for entity, char in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("<b>", ""),
            ("</b>", ""),
            ("&amp;", "&"),
        ]:
            got["text"] = got["text"].replace(entity, char)
        title, _, text = got["text"].partition("\r\n")
        return title, text.replace("\r\n", "\n"), utf16(got["text"])
    if service == "discord":
        title, _, text = got["content"].partition("\r\n")
        return title, text.replace("\\", ""), utf16(got["content"])
    if service == "slack":
        (attachment,) = got["attachments"]
        text = attachment["text"]
        plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        return attachment["title"], plain, utf16(text)
    counted = len(got["message"].encode()) if service == "ntfy" else utf16(got["message"])
    return got["title"], got["message"], counted


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("filling", ["x", "&", "<", "_*", "🔥", "–", '"', "word &\n"])
@pytest.mark.parametrize("service", URLS)
async def test_ten_thousand_characters_lose_neither_severity_target_nor_number(
    server: Any, service: str, filling: str
) -> None:
    body = f"margin room 19.9 %: critical\n{filling * (40_000 // len(filling))}\n{FOOTER}"
    title = f"CRITICAL: BTCUSDT long (main): {'r' * 400}"
    got = await payload(server, URLS[service], Message(title, body))
    size = len(json.dumps(got))
    title, text, counted = said(service, got)
    first, *_, more, last = text.split("\n")
    assert title.startswith("CRITICAL: BTCUSDT long (main): rrr")
    assert (first, last) == ("margin room 19.9 %: critical", FOOTER)
    kept = text[: text.index(f"\n{more}")]
    assert more == f"… {len(body) - len(kept) - len(FOOTER) - 1:,} more characters"
    assert counted <= LIMITS[service]
    assert counted > LIMITS[service] * (0.5 if service == "ntfy" else 0.9)
    if service == "ntfy":
        assert size <= 8000, "Apprise would make a file of it"


async def test_a_digest_of_exactly_the_limit_is_not_cut(server: Any) -> None:
    whole = f"{'x' * (1024 - len(FOOTER) - 1)}\n{FOOTER}"
    assert (await payload(server, URLS["pushover"], Message("", whole)))["message"] == whole
    server.got.clear()
    got = await payload(server, URLS["pushover"], Message("", f"x{whole}"))
    assert got["message"].endswith(f"x\n… 29 more characters\n{FOOTER}")


async def test_a_last_line_with_the_numbers_of_forty_notices_stays(server: Any) -> None:
    numbers = ", ".join(f"#{number}" for number in range(4821, 4861))
    got = await payload(server, URLS["pushover"], Message("t", f"{'x' * 10_000}\n{numbers}"))
    assert got["message"].endswith(f" more characters\n{numbers}")


async def test_slack_blocks_take_less(server: Any) -> None:
    """A section of more than 3,000 characters is refused, whatever the plug-in says."""
    url = URLS["slack"].replace("/#risk", "/#risk?blocks=yes")
    got = await payload(server, url, Message("t" * 400, f"{'x' * 10_000}\n{FOOTER}"))
    texts = [block["text"]["text"] for block in got["attachments"][0]["blocks"] if "text" in block]
    assert [len(text) <= most for text, most in zip(texts, (150, 3000), strict=True)] == [True] * 2
    assert FOOTER in texts[1]


@pytest.mark.parametrize("service", URLS)
async def test_a_digest_keeps_every_number_and_its_mark(server: Any, service: str) -> None:
    """What the outbox makes for the room that a channel says it has is not cut again."""
    notifier = await loaded(URLS[service])
    tried = [
        Tried(receiver.notice(1_234_500 + n, rule="my_r<&*`–", severity="critical"), 10 + n)
        for n in range(most(notifier.room))
    ]
    digest = compose_all(tried, {}, now_utc=0, zone=UTC, room=notifier.room)
    assert await notifier.send(digest) == Sent("sent")
    title, text, _ = said(service, server.got[0])
    assert f"and {len(tried) - 1} more" in title
    assert [each.number for each in tried if each.number not in text] == []
    assert len(tried) >= 40


def service(name: str, body_maxlen: int, title_maxlen: int) -> Any:
    text = SimpleNamespace(value="text")
    return SimpleNamespace(
        service_name=name,
        body_maxlen=body_maxlen,
        title_maxlen=title_maxlen,
        overflow_amalgamate_title=False,
        resolve_format=lambda _: text,
    )


@given(
    name=st.sampled_from(["Telegram", "Slack", "Discord", "another"]),
    most=st.integers(140, 5000),
    title_most=st.sampled_from([0, 250]),
    title=st.text(max_size=400),
    body=st.text(max_size=6000),
)
def test_whatever_is_said_fits_and_ends_with_its_last_line(
    name: str, most: int, title_most: int, title: str, body: str
) -> None:
    target = service(name, most, title_most)
    cut = fitted(target, Message(title, f"{body}\n#4821 (attempt 2)"))
    counted = utf16(cut.body) if title_most else utf16(f"{cut.title}\r\n{cut.body}")
    assert counted <= most
    assert cut.body.endswith("\n#4821 (attempt 2)")


# ------------------------------------------------------------------ room


@pytest.mark.parametrize(
    ("url", "room"),
    [
        (URLS["telegram"], 4096 - 250 - 2 - 100),
        (URLS["slack"], 35_000),
        (URLS["discord"], 2000 - 250 - 2),
        (URLS["pushover"], 1024),
        (URLS["ntfy"], 3800 * 2 // 3 - 200 - 2),
        ("mailto://user:password@localhost?to=me@example.com", 32_768),
        ("json://localhost/", 32_768),
        ("console://", 1_000_000),
    ],
    ids=lambda value: str(value).split(":", maxsplit=1)[0],
)
async def test_room_is_what_fits_below_the_longest_title(url: str, room: int) -> None:
    notifier = Notifier("phone", url, console=Console(None))  # type: ignore[arg-type]  # unused
    assert notifier.room == 2000, "until it is loaded"
    await notifier.load()
    assert notifier.room == room


@pytest.mark.parametrize("service", URLS)
async def test_a_text_of_just_that_room_is_not_cut(server: Any, service: str) -> None:
    notifier = await loaded(URLS[service])
    text = f"{'x' * (notifier.room - 3)}\n#1"
    assert await notifier.send(Message("t" * 250, text)) == Sent("sent")
    assert said(service, server.got[0])[1] == text
