"""What tests with real processes share: the simulator beside them, and patience."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

COMMAND = (sys.executable, "-m", "monitor")


@contextmanager
def simulator(
    scenario: Path | None = None, command: Sequence[str] = (*COMMAND, "simulate")
) -> Iterator[str]:
    """Run `marginwatch simulate`; gives the `[[account]]` table that it prints.

    Args:
        scenario: Its story; None: the one that ships.
        command: What to run in its place.
    """
    command = [*command, *([str(scenario)] if scenario else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while (line := process.stdout.readline()) != "\n":
            assert line, "simulate ended before its table was whole"
            lines.append(line)
        try:
            yield "".join(lines)
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            assert process.wait(10) == 0


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until a function says so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        threading.Event().wait(0.02)
