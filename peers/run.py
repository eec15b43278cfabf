"""Clients that other people wrote against `marginwatch simulate`: pass or fail per call.

    python peers/run.py PYTHON-OF-THE-CLIENTS

Starts the simulator on a free port, runs each client's script beside it, ends it again. Exit 1 if a
call failed.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLIENTS = {
    "binance-sdk-derivatives-trading-usds-futures": "sdk.py",
    "python-binance": "python_binance.py",
    "ccxt": "ccxt_pro.py",
}
LONGEST = 300.0
"""Seconds that one client may take for all its calls."""


def main(python: str) -> int:
    """Run all of them."""
    simulate = [sys.executable, "-m", "monitor", "simulate", str(HERE / "story.toml")]
    with subprocess.Popen(simulate, stdout=subprocess.PIPE, text=True) as exchange:  # noqa: S603
        try:
            here = address(exchange)
            failed = [
                name for name, script in CLIENTS.items() if not passes(python, script, name, here)
            ]
        finally:
            exchange.terminate()
    print(f"\n{len(CLIENTS) - len(failed)} of {len(CLIENTS)} clients pass every call")
    return bool(failed)


def address(exchange: "subprocess.Popen[str]") -> str:
    """Read where the simulator listens from the tables that it prints."""
    for line in exchange.stdout or ():
        if (found := re.search(r"ws://(127\.0\.0\.1:\d+)", line)) is not None:
            return found[1]
    raise SystemExit("the simulator did not say where it listens")


def passes(python: str, script: str, name: str, here: str) -> bool:
    """Run one client's script, which prints its verdicts."""
    version = subprocess.run(  # noqa: S603
        [python, "-c", f"import importlib.metadata as m; print(m.version({name!r}))"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    print(f"\n{name} {version}", flush=True)
    try:
        done = subprocess.run([python, str(HERE / script), here], timeout=LONGEST, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        print(f"FAIL  it did not end within {LONGEST:.0f} s")
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
