"""A warm process that lives are forked from: everything is imported, Apprise is loaded.

    python -m tests.crash.warm

Takes orders on stdin, a JSON object a line, and answers each with one:

    {"begin": [ARGUMENT, …], "log": FILE, "seed": N, "kill": [POINT, PASSING, PORT]} → {"pid": N}
    {"wait": PID, "seconds": S} → {"status": N}     negative: ended by that signal; null: it lives

A life is `marginwatch ARGUMENT …` with stdout and stderr in FILE; `kill` is told in `points`. When
stdin ends, what still lives is killed.
"""

import contextlib
import gc
import json
import os
import random
import signal
import sys
import time
from typing import Any, NoReturn

from monitor.cli import main, serving
from monitor.notify import check_url
from tests.crash import points


def _warm() -> None:
    fault = check_url("json://127.0.0.1:9")
    assert fault is None, fault
    assert hasattr(serving, "run"), "what `run` needs is imported when it is first used"
    gc.collect()
    gc.freeze()


def _begin(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _live(order)
    return pid


def _live(order: dict[str, Any]) -> NoReturn:
    status = 70
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        random.seed(order["seed"])
        points.prepare(order["seed"])
        if order.get("kill"):
            points.arm(*order["kill"])
        main(order["begin"])
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 0
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _wait(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)  # noqa: TID251 - a process with nothing else to do


def _answer(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _serve() -> None:
    alive: set[int] = set()
    try:
        _answer({})
        for line in sys.stdin:
            order = json.loads(line)
            if "begin" in order:
                pid = _begin(order)
                alive.add(pid)
                _answer({"pid": pid})
            else:
                status = _wait(order["wait"], order["seconds"])
                if status is not None:
                    alive.discard(order["wait"])
                _answer({"status": status})
    finally:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    _warm()
    _serve()
