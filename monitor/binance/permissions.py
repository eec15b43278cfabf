"""What an API key may do beyond looking: everything of it is a risk that a monitor does not need.

Source: docs/protocol.md §10. The testnet does not tell.
"""

from dataclasses import dataclass

from monitor.binance import wire_rest
from monitor.binance.rest import Rest

PATH = "/sapi/v1/account/apiRestrictions"
TIME_PATH = "/api/v3/time"
"""Where the host of `PATH` tells its time."""

PORTFOLIO_MARGIN = (
    "its key is for portfolio margin, where the exchange liquidates by other rules than those "
    "known here: the numbers would be wrong, so it is not watched. Use an account with ordinary "
    "USDⓈ-M futures, or a key without that permission if the account has no portfolio margin"
)
"""Why such an account is refused, and what to do."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may do.

    `enableFutures` is the permission to trade futures; reading them takes `enableReading` alone.
    """

    warnings: tuple[str, ...]
    """One sentence each, the gravest first."""
    portfolio_margin: bool
    """Whether it trades in portfolio margin: such an account cannot be watched."""


async def read_permissions(rest: Rest) -> Permissions:
    """Ask what the key may do.

    Args:
        rest: On the sapi base, without a budget: the weight counts on Spot's own count.

    Raises:
        ExchangeRefused: The exchange said no.
        FrameGarbled: The answer cannot be read.
        ConnectionLost: There will be no answer.
    """
    return judged(wire_rest.read_restrictions(await rest.get(PATH, signed=True)))


def judged(key: wire_rest.ApiRestrictions) -> Permissions:
    """Put into sentences what is too much, and what is missing."""
    transfers = key.internal_transfer or key.universal_transfer
    too_much = [
        (key.withdrawals, "this key can withdraw"),
        (transfers, "this key can transfer funds to other accounts"),
        (key.futures, "this key can trade futures"),
        (key.margin or key.spot_and_margin, "this key can trade spot or margin"),
        (key.options, "this key can trade options"),
        (key.fix, "this key can trade by FIX"),
    ]
    found = [f"{what}: reading is all it needs" for given, what in too_much if given]
    if not key.ip_restrict:
        found.append(
            "this key works from any address: restrict it to this machine's, a stolen one is then "
            "of no use, and it does not expire by itself"
        )
    if not key.reading:
        found.append("this key has no permission to read: enable reading")
    return Permissions(tuple(found), portfolio_margin=bool(key.portfolio_margin))
