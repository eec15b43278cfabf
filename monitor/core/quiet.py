"""Quiet hours: the part of each day in which a channel is left in peace, but for what is urgent."""

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
            begins, ends = self._instant(day, self.begin), self._instant(over, self.end)
            if begins <= utc < ends:
                return ends
        return None

    def _instant(self, day: date, wall: time) -> int:
        # Of a time that a day has twice this takes the first.
        return round(datetime.combine(day, wall, self.zone).timestamp() * 1000)
