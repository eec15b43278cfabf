"""User events as a scenario wants them spelled: its quirks, and what nobody has documented.

Source: docs/protocol.md §4.4, §5.1, §5.4, §12. The market words every event in one way; what
leaves here differs from it only in spelling, never in what happened.
"""

from collections.abc import Collection, Iterator
from typing import Any

from monitor.sim.events import Payload, UserEvent
from monitor.sim.story import QuirksTable

_LEFT_OUT = {
    "all": (),
    "no bep": ("bep",),
    "no ma": ("ma",),
    "no mt": ("mt",),
    "documented": ("ma",),
}


class Manners:
    """Spells user events.

    Args:
        quirks: Of the scenario.
        portfolio_margin: Names of the accounts whose events carry `fs`.
    """

    def __init__(self, quirks: QuirksTable, portfolio_margin: Collection[str]) -> None:
        self._quirks = quirks
        self._portfolio_margin = frozenset(portfolio_margin)

    def frames(self, event: UserEvent) -> Iterator[UserEvent]:
        """Spell an event, as one frame or more."""
        payload = dict(event.payload)
        match event.type:
            case "ACCOUNT_UPDATE":
                payload["a"] = self._update(payload["a"])
            case "ORDER_TRADE_UPDATE" if payload["o"]["x"] == "CALCULATED":
                payload["o"] = self._forced(payload["o"])
                if self._quirks.forced_new:
                    yield UserEvent(event.account, _as_new(payload))
            case "listenKeyExpired":
                yield from self._expiries(event)
                return
            case _:
                pass
        if event.account in self._portfolio_margin:
            payload["fs"] = "UM"
        yield UserEvent(event.account, payload)

    def _update(self, body: Payload) -> Payload:
        left_out = _LEFT_OUT[self._quirks.row_fields]
        rows = [{k: v for k, v in row.items() if k not in left_out} for row in body["P"]]
        if not self._quirks.hedge_both_rows and any(row["ps"] != "BOTH" for row in rows):
            rows = [row for row in rows if row["ps"] != "BOTH"]
        body = body | {"P": rows}
        if not rows and self._quirks.funding_positions == "missing":
            del body["P"]
        return body

    def _forced(self, order: Payload) -> Payload:
        kind = self._quirks.forced_type
        return order | {"o": kind, "ot": kind}

    def _expiries(self, event: UserEvent) -> Iterator[UserEvent]:
        payload = dict(event.payload)
        if self._quirks.expiry_time == "text":
            payload["E"] = str(payload["E"])
        if not self._quirks.expiry_names_key:
            del payload["listenKey"]
        times = {"once": 1, "twice": 2, "never": 0}[self._quirks.expiry_told]
        for _ in range(times):
            yield UserEvent(event.account, payload)


def _as_new(payload: Payload) -> Payload:
    """The order before its fill."""
    unfilled: dict[str, Any] = {
        "X": "NEW",
        "ap": "0",
        "l": "0",
        "z": "0",
        "L": "0",
        "n": "0",
        "t": 0,
        "rp": "0",
    }
    return payload | {"o": payload["o"] | unfilled}


def strangely(event: UserEvent) -> list[UserEvent]:
    """Spell an event as a newer exchange might: a stranger before it, unknown words in it."""
    stranger = {"e": "FUTURE_UPDATE", "T": event.payload["E"], "E": event.payload["E"], "fu": {}}
    payload = event.payload | {"fs": "UM", "st": 1, "zz": {"deep": [None, 1.5]}}
    if "a" in payload:
        rows = [row | {"zz": "1"} for row in payload["a"].get("P", [])]
        payload["a"] = payload["a"] | {"m": f"{payload['a']['m']}_V2"}
        if rows:
            payload["a"]["P"] = rows
    if "o" in payload:
        payload["o"] = payload["o"] | {"ia": False, "zz": "1"}
    return [UserEvent(event.account, stranger), UserEvent(event.account, payload)]
