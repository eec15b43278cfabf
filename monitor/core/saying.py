"""Happenings in words: what stands in the title, and the lines below it.

Details are what the exchange said, as plain text; what a kind says in a sentence of its own is not
listed a second time.
"""

from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal, InvalidOperation

from monitor.core.daily import in_full, in_short
from monitor.core.formats import PLAIN, Style, amount, clock, clock_after, money, price
from monitor.core.notices import Notice, Target
from monitor.core.rules import STILL_HERE
from monitor.core.wording import among

_PLAIN = {
    "liquidation": "the exchange is liquidating this position",
    "adl": "the exchange is closing this position by auto-deleveraging",
    "margin_call": "margin call from the exchange",
    "stream_lost": "the user data stream is lost; changes are seen by polls only",
    "key_rejected": "the exchange rejects the API key; this account is not watched",
    "position_opened": "a position was opened",
    "position_closed": "the position is closed",
    "banned": "the exchange bans this machine's address; until then no account can be polled",
    "channel_failing": "nothing gets through",
    "channel_recovered": "messages get through again",
    "notices_dead": "given up, not taken in time",
    "store_failing": "what happens cannot be written: messages are sent from memory, and a crash "
    "now may repeat or forget some",
    "store_replaced": "the database was corrupt and is begun anew: silences, standing alerts and "
    "what was not delivered yet are not known any more",
    "reload_refused": "edited files have a fault and are not used; what was read before goes on",
    "polls_stretched": "the request limit of this address does not suffice to poll as often as "
    "configured; changes that no event tells are seen later",
}

_TITLES = {"adl": "auto-deleveraging (ADL)"}


def where(target: Target) -> str:
    """Name a target for a reader: "BTCUSDT long (main)"."""
    if not target.account:
        return "marginwatch"
    if target.symbol:
        hedge = "" if target.position_side in {"", "BOTH"} else " leg"
        side = f" {target.side}{hedge}" if target.side else ""
        return f"{target.symbol}{side} ({target.account})"
    return f"{target.asset} ({target.account})" if target.asset else target.account


def headline(notice: Notice) -> str:
    """Say in a few words what happened to what."""
    kind, details, target = notice.happening or "", notice.details, notice.target
    place = where(target)
    match kind:
        case "deposit" | "withdrawal" if "amount" in details:
            return f"{kind} of {_amount(details['amount'])} {place}"
        case "funding" if "amount" in details:
            return f"funding {_paid(details)} {_amount(details['amount'])} {place}"
        case "deposit" | "withdrawal" | "funding":
            return f"{kind}, {place}"
        case "position_opened" | "position_closed":
            return f"{kind.replace('_', ' ')}: {place}"
        case "leverage_changed":
            return f"leverage {_from_to(details, 'leverage', 'x')}: {place}"
        case "margin_type_changed":
            return f"margin type {_from_to(details, 'margin_type')}: {place}"
        case "channel_failing" | "channel_recovered" | "notices_dead" if "channel" in details:
            return f"{place}: {kind.replace('_', ' ')}: {details['channel']}"
        case _ if kind == STILL_HERE:
            return f"{place}: {in_short(details)}"
        case _:
            return f"{place}: {_TITLES.get(kind) or kind.replace('_', ' ')}"


def sentences(notice: Notice, zone: tzinfo, style: Style = PLAIN) -> list[str]:
    """Say what happened, and list what else is known of it."""
    details = dict(notice.details)
    if notice.happening == STILL_HERE:
        return list(in_full(details, notice.at, zone))
    several = notice.count is not None and notice.count > 1
    first = _sentence(notice.happening or "", notice.target, details, several=several)
    seen = details.pop("seen_by_poll_at", None)
    if seen is not None:
        first += f", seen by poll at {clock_after(int(seen), notice.at, zone)}"
    if several:
        first += f" ({notice.count} times)"
    rest = ", ".join(_detail(name, value, zone, style) for name, value in details.items())
    return [first, rest] if rest else [first]


def _sentence(kind: str, target: Target, details: dict[str, str], *, several: bool) -> str:
    """Say it; takes out of the details what the sentence has said."""
    match kind:
        case "deposit" | "withdrawal" | "funding":
            return _money(kind, target, details, several=several)
        case "leverage_changed":
            text = f"the leverage is {_now_and_before(details, 'leverage', 'x')}"
            details.pop("leverage", None)
        case "margin_type_changed":
            text = f"the margin type is {_now_and_before(details, 'margin_type')}"
            details.pop("margin_type", None)
        case "channel_failing":
            waiting = details.pop("waiting", "")
            name = details.pop("channel", "")
            return f"channel {name}: {_PLAIN[kind]} for 5 min; {waiting} wait; it is tried on"
        case "channel_recovered":
            return f"channel {details.pop('channel', '')}: {_PLAIN[kind]}"
        case "notices_dead":
            name, numbers = details.pop("channel", ""), details.pop("numbers", "")
            return f"channel {name}: {_few(numbers)} {_PLAIN[kind]}"
        case "polls_stretched":
            every = details.pop("every", "")
            return f"{_PLAIN[kind]}; they come every {every} s now"
        case _:
            return _PLAIN.get(kind, kind)
    details.pop("before", None)
    return text


def _few(numbers: str) -> str:
    """Name notices by their numbers, the first of them."""
    listed = numbers.split()
    return f"{'notice' if len(listed) == 1 else 'notices'} {among(listed, _FEW)}"


def _money(kind: str, target: Target, details: dict[str, str], *, several: bool) -> str:
    moved = details.pop("amount", None)
    what = f"{_amount(moved)} {target.asset}" if moved else f"an amount of {target.asset}"
    if moved and several:
        what = f"a total of {what}"
    if kind == "funding":
        symbol = details.pop("symbol", "")
        paid = _paid({"amount": moved}) if moved else "settled"
        text = f"funding: {what} {paid}{f' for {symbol}' if symbol else ''}"
    else:
        text = f"{what} {'came in' if kind == 'deposit' else 'went out'}"
    wallet = details.pop("wallet", None)
    holds = "an unknown amount of" if wallet is None else amount(Decimal(wallet))
    return f"{text}; the wallet holds {holds} {target.asset}"


def _amount(text: str) -> str:
    """Write how much moved, whichever way."""
    return amount(abs(Decimal(text)))


def _paid(details: Mapping[str, str]) -> str:
    return "paid" if details["amount"].startswith("-") else "received"


def _from_to(details: Mapping[str, str], name: str, unit: str = "") -> str:
    after = f"{details.get(name, 'unknown')}{unit}"
    return f"{details['before']}{unit} → {after}" if "before" in details else after


def _now_and_before(details: Mapping[str, str], name: str, unit: str = "") -> str:
    after = f"{details.get(name, 'unknown')}{unit}"
    return f"{after}, it was {details['before']}{unit}" if "before" in details else after


def _detail(name: str, value: str, zone: tzinfo, style: Style) -> str:
    """Write one thing that the exchange said; a sentence needs no name before it."""
    if name in {"why", "message"}:
        return value
    if name == "until":
        return f"until {clock(int(value), zone)}"
    return f"{_DETAILS.get(name, name.replace('_', ' '))} {_number(name, value, style)}"


_FEW = 10
"""So many numbers of notices are worth listing."""

_DETAILS = {"unrealized_pnl": "unrealized PnL"}


def _number(name: str, value: str, style: Style) -> str:
    """Write a number that the exchange gave; what names something stays as it came."""
    if name not in {"quantity", "unrealized_pnl", "maintenance_margin"} and "price" not in name:
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:  # never lose what was said to how it would look
        return value
    if not number.is_finite():
        return value
    if "price" in name:
        return price(number, style)
    if name == "quantity":
        return amount(number)
    return money(number, signed=name == "unrealized_pnl")
