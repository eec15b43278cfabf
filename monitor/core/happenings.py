"""Happenings: things that are told because they happened, without a level or an end.

The first of a rule, kind and target is told at once; what repeats within the rule's cooldown is
summed up in one notice when it ends: the last, with the amounts of all. What the exchange tells
twice (two sockets, TRADE_LITE and ORDER_TRADE_UPDATE) is known by an identity of its own and
happens once. Which messages mean what is `chronicle.py`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from monitor.core.events import ForcedOrderSeen, MarginCalled, Now
from monitor.core.notices import Target, TimerRecord
from monitor.core.portfolio import Account
from monitor.core.rules import OWN_FAULTS, Rule, Severity

_REMEMBERED = 2_000
"""How many identities are kept; the exchange repeats itself within seconds."""

KEPT_FOR = 86_400_000
"""Milliseconds that something is known to have happened, across restarts too: forced orders are
read again after a reconnect."""

Timers = dict[tuple[str, str], TimerRecord]
"""What a turn wants remembered, by kind and key."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened."""

    kind: str
    target: Target
    details: Mapping[str, str] = field(default_factory=dict)
    """Amounts as plain decimals; instants (`until`, `seen_by_poll_at`) in unix milliseconds."""
    severity: Severity | None = None
    """Where it is not the rule's own."""


class Known:
    """Remembers what happened already, by identities that the exchange's messages give."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def first(self, identity: tuple[str, ...], now: Now, timers: Timers) -> bool:
        """Tell whether this is the first time; remembers it, and forgets what is old."""
        key = json.dumps(identity)
        if key in self._seen:
            return False
        self._seen[key] = now.utc
        timers["known", key] = TimerRecord("known", key, now.utc, 0, "")
        while (oldest := next(iter(self._seen))) != key:
            if len(self._seen) <= _REMEMBERED and now.utc - self._seen[oldest] < KEPT_FOR:
                break
            del self._seen[oldest]
            timers["known", oldest] = TimerRecord("known", oldest, now.utc, 0, None)
        return True

    def restore(self, records: Iterable[TimerRecord], now: Now, timers: Timers) -> None:
        """Take up what an earlier run knew."""
        known = (record for record in records if record.kind == "known")
        for record in sorted(known, key=lambda record: record.saved):
            if now.utc - record.saved >= KEPT_FOR:
                timers["known", record.key] = record._replace(body=None)
            else:
                self._seen[record.key] = record.saved


@dataclass(slots=True)
class Cooldown:
    """What repeats within the cooldown of one rule, kind and target."""

    rule: str
    happening: Happening
    ends: int
    """Ticks."""
    waiting: int = 0
    """How many repeats wait to be summed up."""

    @property
    def key(self) -> str:
        """Its name in the store."""
        return cooldown_key(self.rule, self.happening)

    def add(self, happening: Happening) -> None:
        """Take a repeat: it is what is told, with the amounts of all that wait."""
        details = dict(happening.details)
        if self.waiting:
            _sum_up(self.happening.details, details)
        self.waiting += 1
        self.happening = replace(happening, details=details)

    def record(self, rule: Rule, now: Now) -> TimerRecord:
        """Write down what must survive a restart."""
        body = json.dumps(
            {
                "rule": self.rule,
                "kind": self.happening.kind,
                "target": list(self.happening.target),
                "details": dict(self.happening.details),
                "waiting": self.waiting,
                "severity": self.happening.severity,
            }
        )
        elapsed = rule.cooldown - (self.ends - now.ticks)
        return TimerRecord("cooldown", self.key, now.utc, elapsed, body)


def _sum_up(before: Mapping[str, str], details: dict[str, str]) -> None:
    """Add to money that moved what moved before it; with an unknown part the sum is unknown."""
    if "amount" in before and "amount" in details:
        total = Decimal(before["amount"]) + Decimal(details["amount"])
        details["amount"] = f"{total:f}"
    else:
        details.pop("amount", None)
    if before.get("symbol") != details.get("symbol"):
        details.pop("symbol", None)
    if "numbers" in before and "numbers" in details:
        details["numbers"] = f"{before['numbers']} {details['numbers']}"


def cooldown_key(rule: str, happening: Happening) -> str:
    """Name a cooldown: rule, kind and target; of the program's own faults, the channel too."""
    key = [rule, happening.kind, *happening.target]
    if rule == OWN_FAULTS.name and "channel" in happening.details:
        key.append(happening.details["channel"])
    return json.dumps(key)


def restore_cooldown(record: TimerRecord, rules: Mapping[str, Rule], now: Now) -> Cooldown | None:
    """Take up a cooldown of an earlier run; None when no rule is about it any more."""
    saved = json.loads(record.body or "{}")
    rule = rules.get(saved.get("rule", ""))
    if rule is None or saved["kind"] not in rule.on:
        return None
    told = saved.get("severity")  # an older program did not write it
    severity = None if told is None else Severity(told)
    happening = Happening(saved["kind"], Target(*saved["target"]), saved["details"], severity)
    elapsed = record.elapsed + max(0, now.utc - record.saved)
    return Cooldown(rule.name, happening, now.ticks + rule.cooldown - elapsed, saved["waiting"])


# ------------------------------------------------------------ what the exchange does by force


def called(event: MarginCalled, known: Known, now: Now, timers: Timers) -> Iterator[Happening]:
    """Tell the positions of a margin call that were not called by this event before."""
    for row in event.positions:
        which = "margin_call", event.account, str(event.time), row.symbol, row.position_side
        if not known.first(which, now, timers):
            continue
        side = "long" if row.quantity > 0 else "short"
        details = {
            "quantity": str(row.quantity),
            "mark_price": str(row.mark_price),
            "unrealized_pnl": str(row.unrealized_pnl),
            "maintenance_margin": str(row.maintenance_margin),
        }
        target = Target(event.account, row.symbol, row.position_side, side)
        yield Happening("margin_call", target, details)


def forced(
    account: Account, event: ForcedOrderSeen, known: Known, now: Now, timers: Timers
) -> Iterator[Happening]:
    """Tell a forced order the first time that it is seen."""
    which = event.happening, event.account, event.symbol, str(event.order_id)
    if not known.first(which, now, timers):
        return
    side = "long" if event.order_side == "SELL" else "short"
    position_side = event.position_side
    if position_side is None:
        # TRADE_LITE does not say: the position that this order would close does.
        held = (
            holding.position.position_side
            for holding in account.holdings.values()
            if holding.position.symbol == event.symbol and holding.position.side == side
        )
        position_side = next(held, "BOTH")
    details = {
        "quantity": str(event.quantity),
        "price": str(event.price),
        "order_id": str(event.order_id),
    }
    if event.polled_at is not None:
        details["seen_by_poll_at"] = str(event.polled_at)
    target = Target(event.account, event.symbol, position_side, side)
    yield Happening(event.happening, target, details)
