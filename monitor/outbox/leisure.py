"""Whether a channel has time for what is no notice, such as a picture: no notice waits for that."""

from enum import Enum

from monitor.outbox.box import Box


class Leisure(Enum):
    """Whether to send it now."""

    NONE = "none"
    """Something more urgent waits, or the end is near: drop it."""
    LATER = "later"
    FREE = "free"


def leisure_of(box: Box, now: float, utc: int, begun: int) -> Leisure:
    """Tell whether a channel has time.

    Args:
        box: The channel, and what waits in it.
        now: Trio's time.
        utc: Unix milliseconds, for quiet hours.
        begun: How many such things were begun within the last minute; they count after notices.
    """
    free, _ = box.free(now, utc)
    waiting = [i for i in free if i.number not in box.under_way and not i.aside_until]
    if box.gone or box.drained is not None or any(item.critical for item in waiting):
        return Leisure.NONE
    room_at = box.room_at(now)  # forgets what is older than a minute
    most = box.channel.max_per_minute
    full = room_at > now or (most is not None and len(box.begun) + begun >= most)
    failing = box.failing_since is not None or now < box.not_before
    if full or failing or box.under_way or any(item.due for item in waiting):
        return Leisure.LATER
    return Leisure.FREE
