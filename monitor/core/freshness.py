"""Fresh, aged, unknown: how far a number may be trusted, from the age of what it rests on.

A number rests on inputs (`Rest`). Each input has an instant at which it was true. Younger than the
account's limit it is fresh; older, aged: it still stands, but may only raise an alarm; as old as
`FORGET_AFTER`, or never had, unknown. A number is as good as the worst of its inputs. Two sets of
`Rest` say it all for one target at one instant: the inputs that are not fresh, and among them the
inputs that are unknown.
"""

from enum import IntFlag

FORGET_AFTER = 600_000
"""Milliseconds after which a number is not believed at all."""

NEVER = -(1 << 62)
"""The instant of an input that was never had: older than everything."""

ALWAYS = 1 << 62
"""The instant of an input that does not age, such as the marks of a pool without positions."""


class Rest(IntFlag):
    """What a number rests on."""

    NOTHING = 0
    """Identity (account, symbol) and ages themselves: always known."""
    DATA = 1
    """The position's own row, from event or poll."""
    POLL = 2
    """Figures that only polls bring: of the position, or of the pool."""
    OWN_MARK = 4
    POOL_DATA = 8
    """Wallets of the pool and the rows of all its positions."""
    CROSS_MARKS = 16
    """Marks of the pool's cross positions."""
    ALL_MARKS = 32
    """Marks of all positions in the pool's asset, isolated too."""
    SETTING = 64
    """The leverage setting, from when it was told or a poll bore it out."""
    RATES = 128
    """Maintenance rates of the pool's cross positions, which only polls bring."""


MARKS = int(Rest.OWN_MARK | Rest.CROSS_MARKS | Rest.ALL_MARKS)
"""Inputs that are mark prices: a number whose mark is not fresh raises nothing."""


HOLE = 256
"""Beside the bits of `Rest`: a part of a window over the past was not seen."""


class Stamps:
    """The instants (ticks) of one target's inputs, in the order of the bits of `Rest`."""

    __slots__ = (
        "all_marks",
        "cross_marks",
        "data",
        "doubted",
        "own_mark",
        "poll",
        "pool_data",
        "rates",
        "setting",
    )

    def __init__(self) -> None:
        self.data = self.poll = self.own_mark = self.pool_data = ALWAYS
        self.cross_marks = self.all_marks = self.setting = self.rates = ALWAYS
        self.doubted = 0
        """Bits of inputs that count as aged, however young: an answer contradicts them."""

    def older_than(self, instant: int) -> int:
        """Collect the bits of the inputs that were true before `instant` at the latest."""
        return (
            (self.data <= instant)
            | (self.poll <= instant) << 1
            | (self.own_mark <= instant) << 2
            | (self.pool_data <= instant) << 3
            | (self.cross_marks <= instant) << 4
            | (self.all_marks <= instant) << 5
            | (self.setting <= instant) << 6
            | (self.rates <= instant) << 7
        )

    def oldest(self, rests: int) -> int:
        """Tell the oldest instant among the inputs in `rests`; ALWAYS where there is none."""
        instants = (
            self.data,
            self.poll,
            self.own_mark,
            self.pool_data,
            self.cross_marks,
            self.all_marks,
            self.setting,
            self.rates,
        )
        return min((at for bit, at in enumerate(instants) if rests >> bit & 1), default=ALWAYS)
