"""What all parts of one account's link stand in."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from monitor.binance.budget import Budget
from monitor.binance.link import Dial
from monitor.core.events import Now
from monitor.quarantine import Quarantine


@dataclass(frozen=True, slots=True, repr=False)
class Surroundings:
    """The account's name, and the doors to the world that its parts share."""

    name: str
    dial: Dial
    now: Callable[[], Now]
    budget: Budget
    quarantine: Quarantine
    rng: random.Random
    log: logging.Logger
    scale: float
    """Multiplies every guard of real work (dial, request, recvWindow, silence): a story told N
    times as fast leaves the machine N times less."""

    @property
    def dial_deadline(self) -> float:
        """Seconds for dial, TLS and upgrade together."""
        return 10.0 * self.scale

    @property
    def ping_deadline(self) -> float:
        """Seconds that the answer to a ping may take."""
        return 15.0 * self.scale


PING_EVERY = 60.0
"""Seconds between our pings: they find a dead TCP connection that says nothing."""
