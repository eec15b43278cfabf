"""Happenings: things that are told because they happened, without a level or an end.

The first of a rule, kind and target is told at once; what repeats within the rule's cooldown is
summed up in one notice when it ends. What the exchange tells twice (two sockets, TRADE_LITE and
ORDER_TRADE_UPDATE) is known by an identity of its own and happens once.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from monitor.core.events import ForcedOrderSeen, MarginCalled, Now
from monitor.core.notices import Target, TimerRecord
from monitor.core.portfolio import Account
from monitor.core.rules import Rule

_REMEMBERED = 2_000
"""How many identities are kept; the exchange repeats itself within seconds."""

KEPT_FOR = 86_400_000
"""Milliseconds that a forced order is known across restarts: after a reconnect they are read again.
"""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened."""

    kind: str
    target: Target
    details: Mapping[str, str] = field(default_factory=dict)


class Known:
    """Remembers what happened already."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[tuple[object, ...], None] = {}

    def first(self, *identity: object) -> bool:
        """Tell whether this is the first time; remembers it."""
        if identity in self._seen:
            return False
        self._seen[identity] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


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

    def record(self, rule: Rule, now: Now) -> TimerRecord:
        """Write down what must survive a restart."""
        body = json.dumps(
            {
                "rule": self.rule,
                "kind": self.happening.kind,
                "target": list(self.happening.target),
                "details": dict(self.happening.details),
                "waiting": self.waiting,
            }
        )
        elapsed = rule.cooldown - (self.ends - now.ticks)
        return TimerRecord("cooldown", self.key, now.utc, elapsed, body)


def cooldown_key(rule: str, happening: Happening) -> str:
    """Name a cooldown: rule, kind and target."""
    return json.dumps([rule, happening.kind, *happening.target])


def restore_cooldown(record: TimerRecord, rules: Mapping[str, Rule], now: Now) -> Cooldown | None:
    """Take up a cooldown of an earlier run; None when no rule is about it any more."""
    saved = json.loads(record.body or "{}")
    rule = rules.get(saved.get("rule", ""))
    if rule is None or saved["kind"] not in rule.on:
        return None
    happening = Happening(saved["kind"], Target(*saved["target"]), saved["details"])
    elapsed = record.elapsed + max(0, now.utc - record.saved)
    return Cooldown(rule.name, happening, now.ticks + rule.cooldown - elapsed, saved["waiting"])


def forced_identity(event: ForcedOrderSeen) -> tuple[str, ...]:
    """Name a forced order, however it is seen."""
    return ("forced", event.account, event.symbol, str(event.order_id))


def forced_record(event: ForcedOrderSeen, now: Now) -> TimerRecord:
    """Write down that a forced order is known."""
    return TimerRecord("known", json.dumps(forced_identity(event)), now.utc, 0, "")


def restore_known(records: Iterable[TimerRecord], now: Now) -> tuple[Known, list[TimerRecord]]:
    """Take up what an earlier run knew; also returns the records to be forgotten."""
    known, forgotten = Known(), []
    for record in sorted(records, key=lambda record: record.saved):
        if record.kind != "known":
            continue
        if now.utc - record.saved >= KEPT_FOR:
            forgotten.append(record._replace(body=None))
        else:
            known.first(*json.loads(record.key))
    return known, forgotten


def called(event: MarginCalled, known: Known) -> Iterator[Happening]:
    """Tell the positions of a margin call that were not called by this event before."""
    for row in event.positions:
        if not known.first("margin_call", event.account, event.time, row.symbol, row.position_side):
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


def forced(account: Account, event: ForcedOrderSeen, known: Known) -> Happening | None:
    """Tell a forced order the first time that it is seen; None after that."""
    if not known.first(*forced_identity(event)):
        return None
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
    target = Target(event.account, event.symbol, position_side, side)
    return Happening(event.happening, target, details)
