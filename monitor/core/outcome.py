"""What one turn of the engine brings: what to keep, to tell, to ask for, and to log."""

from dataclasses import dataclass, field

from monitor.core.events import Remark, Request
from monitor.core.notices import (
    AlertRecord,
    Changes,
    Delivery,
    Notice,
    Silence,
    Target,
    TimerRecord,
    Told,
    WindowRecord,
)


@dataclass(slots=True)
class Outcome:
    """What one turn of the engine brings."""

    alerts: dict[tuple[str, Target], AlertRecord] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    timers: dict[tuple[str, str], TimerRecord] = field(default_factory=dict)
    windows: list[WindowRecord] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    symbols: frozenset[str] | None = None
    """The symbols held, when they changed."""
    wake_at: int | None = None
    """The next instant (ticks) at which something changes by time alone."""

    @property
    def changes(self) -> Changes:
        """What has to be kept, in one transaction."""
        return Changes(
            tuple(self.alerts.values()),
            tuple(self.notices),
            tuple(self.deliveries),
            tuple(self.told),
            tuple(self.timers.values()),
            tuple(self.windows),
            tuple(self.silences),
        )
