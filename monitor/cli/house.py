"""How commands end: what each ending says on stderr, and its exit code.

0 fine · 1 the answer is no · 2 somebody has to change something · 3 a bug, with its traceback
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import click

from monitor.cli.options import BUG, FINE, INTERRUPTED, WRONG
from monitor.errors import Discreet, OperatorError


class House(click.Group):
    """A group of commands that ends with these exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's own signature
        **extra: Any,
    ) -> Any:
        """Run a command and exit; without `standalone_mode`, as click does."""
        prog_name = prog_name or "marginwatch"
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            answer = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()  # here, where a closed pipe can still be met
        except BaseException as exc:  # noqa: ASYNC103, BLE001 - the last stop; no task around
            answer = _ended(exc)
        sys.exit(answer if isinstance(answer, int) else FINE)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would end a closed pipe with 1, which is an answer."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return _quietly()


def _ended(exc: BaseException, redact: Callable[[str], str] = str) -> int:
    """Say how a command ended, on stderr, and with which code."""
    match exc:
        case Discreet() if exc.__cause__ is not None:
            return _ended(exc.__cause__, exc.redact)
        case SystemExit():
            return exc.code if isinstance(exc.code, int) else FINE
        case click.ClickException():
            exc.show()
            return WRONG
        case click.Abort() | KeyboardInterrupt():
            return INTERRUPTED
        case BrokenPipeError():
            return _quietly()
        case OperatorError():
            click.echo(redact(str(exc)), err=True)
            return WRONG
        case BaseExceptionGroup():
            return _group_ended(exc, redact)
        case _:
            return _bug(exc, redact)


def _group_ended(group: BaseExceptionGroup[BaseException], redact: Callable[[str], str]) -> int:
    """End a nursery: by a bug if there is one among its errors, else as its errors do."""
    ours, others = group.split((OperatorError, KeyboardInterrupt))
    if others is not None or ours is None:
        return _bug(group, redact)
    return max(_ended(exc, redact) for exc in _leaves(ours))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(exc)
        else:
            yield exc


def _bug(exc: BaseException, redact: Callable[[str], str]) -> int:
    import traceback  # only here: it costs the start of every command a few ms

    click.echo(redact("".join(traceback.format_exception(exc))), err=True, nl=False)
    click.echo("This is a bug, please report it.", err=True)
    return BUG


def _quietly() -> int:
    """End because nobody reads on (`| head`): that is no fault, and the rest goes nowhere."""
    with suppress(OSError):  # a stdout that is no file has nothing left to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FINE
