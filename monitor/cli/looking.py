"""`check --online`: what each account shows at the exchange, as lines and as JSON."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import click
import trio

from monitor.app import real_now
from monitor.binance.link import make_dial
from monitor.cli.logs import logging_to
from monitor.config import Config, redactor
from monitor.core.wording import count
from monitor.oneshot import Checked, Weight, check_accounts

_LOG = logging.getLogger("marginwatch")


@dataclass(frozen=True)
class Accounts:
    """Every account of a configuration, looked at once."""

    checked: list[Checked]
    weight: Weight

    @property
    def all_can_be_watched(self) -> bool:
        """Whether nothing stands in the way of watching any of them."""
        return not any(account.faults for account in self.checked)

    @property
    def warnings(self) -> list[str]:
        """Say what works and is not as it should be."""
        return [
            f'account "{account.name}": {warning}'
            for account in self.checked
            for warning in account.warnings
        ]

    def as_table(self) -> Iterator[str]:
        """Write the accounts, ended by how many can be watched."""
        for account in self.checked:
            yield from _described(account)
        good = sum(not account.faults for account in self.checked)
        warnings = self.warnings
        problems = sum(len(account.faults) for account in self.checked)
        counts = [(problems, "problem"), (len(warnings), "warning")]
        verdict = ", ".join(count(many, word) for many, word in counts if many) or "fine"
        yield (
            f"{count(len(self.checked), 'account')}, {good} can be watched, weight "
            f"{self.weight.used} of {self.weight.limit} a minute: {verdict}"
        )

    def as_json(self) -> dict[str, object]:
        """Give the keys that `check --json` has beside those of the rules."""
        return {
            "accounts": [_as_json(account) for account in self.checked],
            "weight": {"used": self.weight.used, "limit": self.weight.limit},
        }


def look_at_accounts(config: Config) -> Accounts:
    """Look at every account; who is waited for is said on stderr."""
    redact = redactor(config)
    with logging_to(level="error", redact=redact):
        checked, weight = trio.run(
            partial(
                check_accounts,
                config,
                dial=make_dial(),
                now=real_now,
                tell=lambda text: click.echo(redact(text), err=True),
                log=_LOG,
            )
        )
    return Accounts([_redacted(account, redact) for account in checked], weight)


def _redacted(account: Checked, redact: Callable[[str], str]) -> Checked:
    """Take secrets out of what others said, should one ever quote what it was asked."""
    faults = tuple(map(redact, account.faults))
    return replace(account, faults=faults, warnings=tuple(map(redact, account.warnings)))


def _described(account: Checked) -> Iterator[str]:
    clock = "" if account.offset is None else f", clock {account.offset:+d} ms"
    verdict = ", cannot be watched" if account.faults else ""
    yield f"{account.name}: {account.network}{clock}{verdict}"
    if account.held is not None:
        yield f"    {account.held}"
    if account.offset is not None:
        yield f"    permissions {account.permissions}"
    for fault in account.faults:
        yield f"    {fault}"


def _as_json(account: Checked) -> dict[str, object]:
    nearest = None
    if account.nearest is not None:
        distance, position = account.nearest
        nearest = {
            "symbol": position.symbol,
            "position_side": position.position_side,
            "side": position.side,
            "liquidation_distance": f"{distance:f}" if math.isfinite(distance) else "infinite",
        }
    return {
        "name": account.name,
        "network": account.network,
        "can_be_watched": not account.faults,
        "clock_offset": None if account.offset is None else account.offset / 1000,
        "positions": account.positions,
        "nearest": nearest,
        "permissions": account.permissions,
        "warnings": list(account.warnings),
        "faults": list(account.faults),
    }
