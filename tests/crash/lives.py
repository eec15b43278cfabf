"""Lives of the service: forked from a warm process, on one folder, ended by SIGKILL or SIGTERM."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0
"""Seconds within which the warm process answers, beside those that it is asked to wait."""


@dataclass
class Warm:
    """The process that lives are forked from."""

    process: subprocess.Popen[str]

    def begin(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        seed: int = 0,
        kill: tuple[str, int, int] | None = None,
    ) -> "Life":
        """Fork a life that is `marginwatch ARGUMENTS`.

        Args:
            arguments: Of the command.
            log: Takes what it writes.
            seed: Of the life's own chances.
            kill: Where it kills itself: point, passing, the port of its channels.
        """
        order = {"begin": list(arguments), "log": str(log), "seed": seed, "kill": kill}
        return Life(self, self.ask(order)["pid"])

    def ask(self, order: dict[str, Any] | None) -> dict[str, Any]:
        """Give an order, if there is one; read the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if order is not None:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        patience = PATIENCE + (order or {}).get("seconds", 0.0)
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if ready else ""
        assert line, "the warm process does not answer"
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def warm() -> Iterator[Warm]:
    """Start the warm process; what it forked and still lives ends with it."""
    command = [sys.executable, "-m", "tests.crash.warm"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C is for the test; this one ends when its stdin does
    ) as process:
        parent = Warm(process)
        try:
            parent.ask(None)
            yield parent
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)


@dataclass
class Life:
    """One process of the service."""

    warm: Warm
    pid: int
    status: int | None = None
    """Its exit code, or minus the signal that ended it; None: it lives."""

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; None: it lives on."""
        if self.status is None:
            self.status = self.warm.ask({"wait": self.pid, "seconds": seconds})["status"]
        return self.status

    def kill(self) -> None:
        """Kill it, unless it has ended; it is gone when this returns."""
        if self.wait(0) is None:
            os.kill(self.pid, signal.SIGKILL)  # ours until it is waited for
            assert self.wait(20) == -signal.SIGKILL

    def terminate(self) -> None:
        """Ask it to finish, unless it has ended."""
        if self.wait(0) is None:
            os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> int | None:
        """Have it finish; its exit code."""
        self.terminate()
        return self.wait(30)


@dataclass
class House:
    """A folder with the files that a user would write, and the lives on it.

    Args:
        warm: Where lives come from.
        folder: An empty one.
        account: The table that the simulator printed.
        channels: Tables of channels.
        rules: Tables of rules.
    """

    warm: Warm
    folder: Path
    account: str
    channels: str
    rules: str
    seed: int = 0
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "rules").mkdir()
        (self.folder / "rules" / "all.toml").write_text(self.rules)
        self.config = self.folder / "config.toml"
        settings = 'data_dir = "data"\ntimezone = "UTC"\n'
        self.config.write_text(f"{settings}{self.account}\n{self.channels}")
        self.config.chmod(0o600)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def begin(self, kill: tuple[str, int, int] | None = None) -> Life:
        """Begin the next life; where it kills itself is told in `Warm.begin`."""
        self.seed += 1
        arguments = ["run", "-c", str(self.config)]
        return self.warm.begin(arguments, self.log, seed=self.seed, kill=kill)
