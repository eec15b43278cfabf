"""The whole program in virtual time, with Trio's scheduler seeded so that stories repeat."""

import random

import pytest
import trio


@pytest.fixture(autouse=True)
def _seeded_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    # Trio shuffles the order of runnable tasks on purpose; there is no public switch.
    monkeypatch.setattr(trio._core._run, "_r", random.Random(7))
