"""`marginwatch simulate FILE`, with mark prices as often as the story has them.

    python -m tests.crash.hasty FILE

Binance sends them once a second, and so does the simulator; a storm needs more. The prices stand
still from the moment that FILE.calm exists.
"""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from monitor.cli import main
from monitor.sim import marks
from monitor.sim.prices import MarkPath


def _until_calm(calm: Path) -> None:
    moving, still = MarkPath.line, dict[MarkPath, Decimal]()

    def line(path: MarkPath, ms: int) -> Decimal:
        if path not in still or not calm.exists():
            still[path] = moving(path, ms)
        return still[path]

    stopping: Any = line
    MarkPath.line = stopping  # type: ignore[method-assign]  # this process is the test's own


if __name__ == "__main__":
    marks._PERIODS["@1s"] = 1  # milliseconds
    _until_calm(Path(f"{sys.argv[1]}.calm"))
    main(["simulate", sys.argv[1]])
