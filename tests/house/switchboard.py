"""Chat services in virtual time: each takes its time, and may refuse or hang for a while."""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from monitor.core.message import Message
from monitor.notify import Sent
from tests.crash.marks import marks_in
from tests.crash.phones import Receipt

DEADLINE = 15.0
"""Seconds after which nobody waits for an answer any more."""


@dataclass
class Switchboard:
    """Takes the place of everything that messages are sent by.

    Args:
        seconds: Where the story is.
        how: What becomes of a message, by channel and second: ok, 500 or hang.
        takes: Seconds that a message takes.
    """

    seconds: Callable[[], float]
    how: Callable[[str, float], str] = lambda *_: "ok"
    takes: float = 0.05
    receipts: list[Receipt] = field(default_factory=list)
    """Every message, also one that was not taken, in order; `at` is the second it began."""

    async def send(self, channel: str, message: Message) -> Sent:
        """Deliver a message, or not."""
        at = round(self.seconds(), 3)
        answer = self.how(channel, at)
        marks = tuple(marks_in(f"{message.title}\n{message.body}"))
        order = len(self.receipts)
        self.receipts.append(
            Receipt(order, at, channel, message.title, marks, answer, message.body)
        )
        await trio.sleep(DEADLINE if answer == "hang" else self.takes)
        if answer == "hang":
            return Sent("unknown", "no answer")
        return Sent("sent") if answer == "ok" else Sent("refused", answer)

    def taken(self, channel: str) -> list[Receipt]:
        """List the messages that a channel took."""
        return [one for one in self.receipts if (one.channel, one.answer) == (channel, "ok")]
