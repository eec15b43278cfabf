"""What every test of the link shares."""

import logging
from collections.abc import Iterator

import pytest

from tests.binance.harness import KEY, SECRET


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test may see a key, a secret or a listen key in a log line."""
    caplog.set_level(logging.DEBUG)
    yield
    said = caplog.text
    assert KEY not in said
    assert SECRET not in said
    assert "listenKey=" not in said
