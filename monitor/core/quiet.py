"""Times of day: quiet hours, in which a channel is left in peace, and what comes once a day."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From a time of day to another, as clocks on the wall in a zone show them.

    Where the end is not later than the beginning, it is that of the next day. A day's hours begin
    and end once, also where the clocks go back over them; a time that a day leaves out, because the
    clocks go forward, is met as long after midnight as without the change.
    """

    begin: time
    end: time
    zone: tzinfo

    def until(self, utc: int) -> int | None:
        """Tell when the quiet hours that hold at an instant end; None where none do.

        Args:
            utc: The instant, unix milliseconds, as the answer is.
        """
        today = datetime.fromtimestamp(utc / 1000, self.zone).date()
        for day in (today - timedelta(days=1), today):
            over = day if self.end > self.begin else day + timedelta(days=1)
            begins, ends = (
                instant_of(which, wall, self.zone)
                for which, wall in ((day, self.begin), (over, self.end))
            )
            if begins <= utc < ends:
                return ends
        return None


def next_time(wall: time, zone: tzinfo, after: int) -> int:
    """Tell when clocks on the wall show a time of day next: once a day, whatever the clocks do.

    Args:
        wall: The time of day.
        zone: Of the clocks.
        after: An instant, unix milliseconds, as the answer is, which is later.
    """
    today = datetime.fromtimestamp(after / 1000, zone).date()
    days = (today + timedelta(days=number) for number in (-1, 0, 1, 2))
    return min(at for day in days if (at := instant_of(day, wall, zone)) > after)


def instant_of(day: date, wall: time, zone: tzinfo) -> int:
    """Tell when a day's time was or will be, unix milliseconds: of one that comes twice, the first.

    One that the day leaves out, because the clocks go forward, is as long after midnight as without
    the change.
    """
    return round(datetime.combine(day, wall, zone).timestamp() * 1000)
