"""Traps are met by the whole program or by the whole link; both in virtual time."""

from tests.binance.conftest import no_secret_is_logged
from tests.house.conftest import _seeded_scheduler

__all__ = ["_seeded_scheduler", "no_secret_is_logged"]
