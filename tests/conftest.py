"""What every test shares."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Derandomised in the suite: the same commit gives the same verdict everywhere.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault of a test
)
settings.load_profile("suite")

ROOT = Path(__file__).parent.parent


@pytest.fixture
def root() -> Path:
    """The repository, for tests that read what ships with it."""
    return ROOT
