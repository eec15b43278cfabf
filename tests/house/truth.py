"""What was really so at the simulated exchange, at every instant of a story.

Written down after each tick and each deed, from the simulator's own accounts, and turned into the
metrics by formulas of its own: nothing of the monitor is asked. Between two entries nothing moves;
several of one instant are what was so one after the other.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from monitor.sim.account import Account, Position
from monitor.sim.brackets import tier_at
from monitor.sim.exchange import Exchange

Target = tuple[str, ...]
"""(account, symbol, position side, long | short) or (account, asset)."""
Figures = Mapping[str, float]
_MONEY = {"DEPOSIT": "deposit", "WITHDRAW": "withdrawal", "FUNDING_FEE": "funding"}


@dataclass(frozen=True)
class Entry:
    """The whole truth from one instant to the next entry's."""

    at: float
    """Seconds of the story."""
    figures: Mapping[Target, Figures]


@dataclass
class Truth:
    """The truth of a story, as it grows."""

    exchange: Exchange
    entries: list[Entry] = field(default_factory=list)
    changed: dict[str, list[float]] = field(default_factory=dict)
    """Seconds at which something but the marks changed, by account."""
    happened: list[tuple[float, str, str, str]] = field(default_factory=list)
    """(seconds, kind, account, symbol or asset) of what a rule may be told of."""

    def __post_init__(self) -> None:
        market: Any = self.exchange.market
        tick, do, settle = market.tick, market.do, market.settle
        deed = False

        def ticked(story_ms: int, now: int) -> Any:
            events = tick(story_ms, now)
            self._note(now, events)
            return events

        def done(what: Any, now: int) -> Any:
            nonlocal deed
            deed = True
            events = do(what, now)
            deed = False
            if what.what == "margin_type":
                # Of a symbol never held there is no row that an event could tell it by.
                seconds = (now - self.exchange.clock.start_ms) / 1000
                self.happened.append((seconds, "margin_type_changed", what.account, what.symbol))
            self._note(now, events)
            return events

        def settled(now: int) -> Iterator[Any]:
            # A liquidation follows within the instant of its cause. What was so in between was
            # true, and may be told: marks and user events come over sockets of their own.
            pools = (pool for each in market.accounts.values() for pool in each.pools())
            if deed or any(pool.ratio >= 1 for pool in pools):
                self._note(now, [])
            for event in settle(now):
                if event.payload["e"] == "ACCOUNT_UPDATE":
                    self._note(now, [])
                yield event

        market.tick, market.do, market.settle = ticked, done, settled
        self._note(self.exchange.clock.now(), [])

    def _note(self, now: int, events: Any) -> None:
        seconds = (now - self.exchange.clock.start_ms) / 1000
        for event in events:
            self.changed.setdefault(event.account, []).append(seconds)
            self._note_happenings(seconds, event.account, event.payload)
        figures: dict[Target, Figures] = {}
        for account in self.exchange.market.accounts.values():
            figures |= _figures(account)
        self.entries.append(Entry(seconds, figures))

    def _note_happenings(self, seconds: float, account: str, payload: Mapping[str, Any]) -> None:
        found: list[tuple[str, str]] = []
        match payload["e"]:
            case "MARGIN_CALL":
                found = [("margin_call", row["s"]) for row in payload["p"]]
            case "ORDER_TRADE_UPDATE":
                order = payload["o"]
                for prefix, kind in (("autoclose-", "liquidation"), ("adl_autoclose", "adl")):
                    if order["c"].startswith(prefix):
                        found.append((kind, order["s"]))
            case "ACCOUNT_CONFIG_UPDATE" if "ac" in payload:
                found = [("leverage_changed", payload["ac"]["s"])]
            case "ACCOUNT_UPDATE":
                change = payload["a"]
                if kind := _MONEY.get(change["m"], ""):
                    found = [(kind, row["a"]) for row in change["B"]]
            case _:
                pass
        self.happened += [(seconds, kind, account, what) for kind, what in found]

    def spans(self, end: float) -> Iterator[tuple[float, float, Mapping[Target, Figures]]]:
        """Give (from, to, truth) for the whole story."""
        for place, entry in enumerate(self.entries):
            until = self.entries[place + 1].at if place + 1 < len(self.entries) else end
            if entry.at < end:
                yield entry.at, min(until, end), entry.figures

    def between(self, start: float, end: float) -> list[Mapping[Target, Figures]]:
        """Give all that was true at some instant from `start` to `end`."""
        times = [entry.at for entry in self.entries]
        first = max(0, bisect_right(times, start) - 1)
        return [entry.figures for entry in self.entries[first : bisect_right(times, end)]]

    def targets(self) -> list[Target]:
        """List everything that was ever held or had a balance, in order of appearance."""
        return list(dict.fromkeys(key for entry in self.entries for key in entry.figures))


def _figures(account: Account) -> dict[Target, Figures]:
    found: dict[Target, Figures] = {}
    for held in account.held():
        side = "long" if held.amount > 0 else "short"
        found[account.name, held.symbol, held.side, side] = _of_position(account, held)
    for asset, wallet in account.wallets.items():
        pool = account.cross_pool(asset)
        mine = [p for p in account.held() if account.asset_of(p) == asset]
        if not wallet and not mine:
            continue
        balance, maintenance = float(pool.balance), float(pool.maintenance)
        found[account.name, asset] = {
            "wallet_balance": float(wallet),
            "margin_balance": balance,
            "maintenance_margin": maintenance,
            "margin_ratio": _settled(maintenance, balance),
            "position_count": len(mine),
            "total_notional": sum(abs(float(account.notional(p))) for p in mine),
            "total_unrealized_pnl": sum(float(account.unrealized(p)) for p in mine),
        }
    return found


def _of_position(account: Account, held: Position) -> Figures:
    pool = account.pool_of(held)
    mark = float(account.marks[held.symbol])
    notional = abs(float(account.notional(held)))
    balance, maintenance = float(pool.balance), float(pool.maintenance)
    pnl = sum(float(account.unrealized(p)) for p in pool.positions)
    wallet = balance - pnl
    figures = {
        "quantity": float(held.amount),
        "entry_price": float(held.entry),
        "mark_price": mark,
        "notional": notional,
        "leverage": float(account.setting_of(held.symbol).leverage),
        "unrealized_pnl": float(account.unrealized(held)),
        "effective_leverage": _settled(notional, balance),
        "position_margin_ratio": _settled(maintenance, balance),
        "liquidation_distance": _distance(account, held, mark),
    }
    left = balance - maintenance
    if left <= 0:
        figures["margin_room"] = 0.0
    elif wallet > 0:
        figures["margin_room"] = left / wallet
    return figures


def _distance(account: Account, held: Position, mark: float) -> float:
    price = account.liquidation_price(held)
    if price is None:
        return inf
    legs = [p for p in account.pool_of(held).positions if p.symbol == held.symbol]
    slope = 0.0
    for leg in legs:
        tier = tier_at(account.listing.tiers(leg.symbol), abs(account.notional(leg)))
        slope += abs(float(leg.amount)) * float(tier.rate) - float(leg.amount)
    gap = mark - float(price) if slope < 0 else float(price) - mark
    return gap / mark


def _settled(part: float, behind: float) -> float:
    if part <= 0:
        return 0.0
    return part / behind if behind > 0 else inf
