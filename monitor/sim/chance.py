"""`[random]`: faults and deeds drawn from the seed, for stories nobody wrote by hand."""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from monitor.sim.story import Scenario
from monitor.sim.story_deeds import Do
from monitor.sim.story_faults import Fault

_HOUR_MS = 3_600_000
_Draw = Callable[[random.Random], dict[str, Any]]


def _nothing(_: random.Random) -> dict[str, Any]:
    return {}


def _side(rng: random.Random) -> dict[str, Any]:
    return {"where": rng.choice(["api", "private", "market", None])}


FAULTS: Mapping[str, _Draw] = {
    "drop": _side,
    "stall": _side,
    "mute": _side,
    "refuse": lambda r: _side(r) | {"status": r.choice([None, 403, 503])},
    "lose": lambda r: {"event": r.choice(["ACCOUNT_UPDATE", "TRADE_LITE", "*"])},
    "duplicate": _nothing,
    "reorder": _nothing,
    "delay": lambda r: {"by": f"{r.randint(100, 5000)}ms"},
    "strange": _nothing,
    "garble": _side,
    "late": lambda r: {"by": f"{r.randint(100, 8000)}ms", "old": r.random() < 0.5, "shuffle": True},
    "empty": _nothing,
    "error": lambda r: {
        "status": r.choice([500, 503, 408]),
        "code": r.choice([-1000, -1001, -1007]),
    },
    "ban": lambda r: {"status": r.choice([418, 429]), "data": r.random() < 0.5},
    "skew": lambda r: {"by": f"{r.choice(['-', ''])}{r.randint(1, 20)}s"},
    "revert_stale": lambda r: {"by": f"{r.randint(1, 20)}s"},
}
"Kind → what is drawn for it."
DEEDS: Mapping[str, _Draw] = {
    "deposit": lambda r: {"amount": r.randint(1, 500)},
    "withdrawal": lambda r: {"amount": r.randint(1, 100)},
    "order": lambda r: {
        "side": r.choice(["buy", "sell"]),
        "quantity": Decimal(r.randint(1, 50)) / 1000,
    },
    "leverage": lambda r: {"leverage": r.randint(2, 25)},
    "funding": lambda r: {"rate": f"{Decimal(r.randint(-50, 50)) / 1000}%"},
    "expire_key": _nothing,
}
"""Kind → what is drawn for it; account and symbol are drawn beside it."""
_NEED_SYMBOL = {"order", "leverage", "funding"}
_MOMENTARY = {"drop", "huge"}


def drawn(scenario: Scenario) -> Scenario:
    """Write down what `[random]` leaves to the seed; the same story where it asks for nothing."""
    wanted = scenario.random
    hours = Decimal(scenario.length) / _HOUR_MS
    rng = random.Random(f"{scenario.seed}/random")
    faults = [_fault(rng, scenario) for _ in range(round(wanted.faults * hours))]
    deeds = [_deed(rng, scenario) for _ in range(round(wanted.deeds * hours))]
    if not faults and not deeds:
        return scenario
    told: TypeAdapter[Do] = TypeAdapter(Do)
    broken: TypeAdapter[Fault] = TypeAdapter(Fault)
    return scenario.model_copy(
        update={
            "do": (*scenario.do, *map(told.validate_python, deeds)),
            "fault": (*scenario.fault, *map(broken.validate_python, faults)),
        }
    )


def _fault(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    kind = rng.choice(scenario.random.fault_kinds or tuple(FAULTS))
    table = {"what": kind, "at": _moment(rng, scenario)} | FAULTS[kind](rng)
    if kind not in _MOMENTARY:
        longest = scenario.random.longest
        table["for"] = f"{rng.randint(longest // 10, longest)}ms"
    return table


def _deed(rng: random.Random, scenario: Scenario) -> dict[str, Any]:
    kind = rng.choice(scenario.random.deed_kinds or tuple(DEEDS))
    account = rng.choice(scenario.account)
    table = {"what": kind, "at": _moment(rng, scenario), "account": account.name}
    table |= DEEDS[kind](rng)
    if kind in _NEED_SYMBOL:
        held = [position.symbol for position in account.position]
        table["symbol"] = rng.choice(
            held or [price.symbol for price in scenario.price] or ["BTCUSDT"]
        )
    if kind == "order" and account.hedge:
        table["position_side"] = "LONG" if table["side"] == "buy" else "SHORT"
    return table


def _moment(rng: random.Random, scenario: Scenario) -> str:
    return f"{rng.randint(0, scenario.length)}ms"
