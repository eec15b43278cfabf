"""Polls whose answers contradict each other about what is held.

A poll asks several things at once, and each answer lists the positions once more. Where they do
not agree nobody knows what is held, and half of the answers may be an all-clear that is none: such
a poll counts as incomplete. It is asked again after a second, once: an order that was filled
between two answers looks the same and is over by then. What lasts makes the account blind.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monitor.core.events import PollAnswered, PositionRow, StatusRow
from monitor.core.liquidation import ZERO
from monitor.core.portfolio import Account
from monitor.core.positions import Key

_SAID = 3
"""So many positions are named."""

_HELD_BY_BALANCES = "no position is listed, though there are balances that tell of some"


class Contradiction(NamedTuple):
    """What the answers of one poll do not agree on."""

    said: str
    """In words, for the log and a reader."""
    keys: frozenset[Key]
    """Positions that are held, or of another size, in one of the answers only."""


def contradiction(account: Account, poll: PollAnswered) -> Contradiction | None:
    """Compare the answers of a complete poll; None where they agree.

    A position that an event told of after the poll was sent proves nothing: the answers may lie
    before and behind it.
    """
    if not poll.complete or poll.positions is None or poll.listed is None:
        return None
    keys: dict[Key, str] = {}
    held = {(row.symbol, row.position_side): row.quantity for row in poll.positions}
    for answer in (poll.listed, *poll.beside):
        listed = {(row.symbol, row.position_side): row.quantity for row in answer}
        for key in held | listed:
            one, other = held.get(key, ZERO), listed.get(key, ZERO)
            state = account.keys.get(key)
            overtaken = state is not None and state.seq > poll.after
            if one != other and not overtaken:
                keys.setdefault(key, f"{_name(key)} {one:f} or {other:f}")
    if keys:
        return Contradiction(", ".join(_first(list(keys.values()))), frozenset(keys))
    if _denies_balances(account, poll):
        return Contradiction(_HELD_BY_BALANCES, frozenset())
    return None


def named(poll: PollAnswered) -> frozenset[Key]:
    """Collect what any of a poll's answers names as held."""
    rows: list[PositionRow | StatusRow] = [*(poll.positions or ()), *(poll.listed or ())]
    for answer in poll.beside:
        rows += answer
    return frozenset((row.symbol, row.position_side) for row in rows if row.quantity)


def _name(key: Key) -> str:
    symbol, position_side = key
    return symbol if position_side == "BOTH" else f"{symbol} {position_side}"


def _first(said: Sequence[str]) -> Iterator[str]:
    yield from said[:_SAID]
    if len(said) > _SAID:
        yield f"and {len(said) - _SAID} more"


def _denies_balances(account: Account, poll: PollAnswered) -> bool:
    """Tell whether a poll lists no position while balances say that there are some.

    Maintenance margin is asked for positions alone, not for orders. And an answer without a single
    asset, for an account that has money, is no answer. An exchange that answers so has lost half
    of what it knows, and an empty answer must not be an all-clear.
    """
    if poll.assets is None or named(poll):
        return False
    if not poll.assets:
        return any(balance.wallet for balance in account.balances.values())
    return any(asset.maintenance_margin for asset in poll.assets)
