"""Commands that look or send once, without a store: so far `notify`."""

from collections.abc import Callable, Sequence

import trio

from monitor.config import Channel
from monitor.core.message import Message
from monitor.notify import Notifier, Sent


async def notify(
    channels: Sequence[Channel], text: str, *, redact: Callable[[str], str]
) -> dict[str, Sent]:
    """Send a test message to channels, all at once.

    Returns:
        Each channel's verdict, by name, in the order given.

    Raises:
        ConfigError: Apprise does not take a channel's URL.
    """
    message = Message("Marginwatch: a test message", text)
    verdicts: dict[str, Sent] = {}

    async def send(channel: Channel, notifier: Notifier) -> None:
        verdicts[channel.name] = await notifier.send(message)

    notifiers = []
    for channel in channels:
        url = channel.url.get_secret_value()
        notifiers.append(Notifier(channel.name, url, redact=redact))
        await notifiers[-1].load()
    async with trio.open_nursery() as nursery:
        for channel, notifier in zip(channels, notifiers, strict=True):
            nursery.start_soon(send, channel, notifier)
    return {channel.name: verdicts[channel.name] for channel in channels}
